import type { Diagnosis } from './database.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';

const GUIDE = 'More in docs/scheduling.md.';

/** Checks that something runs `hp_tick()`, and often enough. */
export function inspectTick({ tick, cron, history }: Diagnosis): Finding[] {
  const every = tick?.every_s ?? 5;
  const age = tick?.age_s ?? null;
  // Beats and open pages run a tick that is two periods late. Only a later one means that nothing runs it.
  const late = age === null || age > Math.max(3 * every, every + 10);
  const { job, available } = cron;
  const todo = remedy(cron);
  const findings: Finding[] = [];
  if (late) {
    const since =
      age === null ? 'has never run' : `last ran ${words(age)} ago, but should run every ${words(every)}`;
    findings.push(trouble('the tick', `${since}, so silent workers are not found`, ...todo));
  } else {
    findings.push(fine('the tick', `ran ${words(age)} ago, due every ${words(every)}`));
  }
  if (job?.active === false || job?.last_run?.status === 'failed' || job?.error) {
    if (!late)
      findings.push(
        warning(
          'pg_cron',
          'its job is off or fails; beats, open pages or another scheduler run the tick',
          ...todo,
        ),
      );
  } else if (job) {
    findings.push(fine('pg_cron', `runs the tick: ${job.schedule}`));
  } else if (!late) {
    findings.push(
      warning(
        'pg_cron',
        `${available ? 'has no job for the tick' : 'is not available'}; beats, open pages or another scheduler run the tick`,
        ...(available ? todo : [`Check that another scheduler runs it. ${GUIDE}`]),
      ),
    );
  }
  if (tick?.impaired_since) {
    findings.push(
      warning(
        'the monitor',
        `impaired since ${tick.impaired_since}: about half of the fleet fell silent together, or the tick paused`,
        'Meanwhile no worker is marked crashed. This ends when the workers report again, or after three leases.',
      ),
    );
  }
  if (history?.failure) {
    findings.push(
      warning(
        'the history',
        `not updated since ${history.failed_since}: ${history.failure}`,
        'Charts have a gap since then. The monitor still works. Every tick tries again.',
      ),
    );
  }
  return findings;
}

function remedy({ job, available }: Diagnosis['cron']): string[] {
  if (job?.active === false) {
    return [
      "The job is off. Switch it on: select cron.alter_job((select jobid from cron.job where jobname = 'lastseen-tick'), active => true);",
    ];
  }
  if (job?.last_run?.status === 'failed')
    return [`Message of pg_cron: ${job.last_run.message ?? 'none'}`, GUIDE];
  if (job) return ['The job exists, so pg_cron itself may have stopped: restart the project.', GUIDE];
  if (available) {
    return ['Enable pg_cron (Database → Extensions). Then run: select hp_private.schedule_tick();', GUIDE];
  }
  return ['pg_cron is not available: let any cron call GET /api/tick of the dashboard.', GUIDE];
}

function words(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
