import type { Diagnosis } from './database.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';

const GUIDE = 'docs/scheduling.md has the rest.';

/** Whether something runs `hp_tick()`, and often enough. */
export function inspectTick({ tick, cron, history }: Diagnosis): Finding[] {
  const every = tick?.every_s ?? 5;
  const age = tick?.age_s ?? null;
  // Beats and open pages run one that is two periods late: up to there it says nothing of the scheduler.
  const late = age === null || age > Math.max(3 * every, every + 10);
  const { job, available } = cron;
  const todo = remedy(cron);
  const findings: Finding[] = [];
  if (late) {
    const since =
      age === null ? 'has never run' : `last ran ${words(age)} ago, and should every ${words(every)}`;
    findings.push(trouble('the tick', `${since}: nobody finds out who has fallen silent`, ...todo));
  } else {
    findings.push(fine('the tick', `ran ${words(age)} ago, and should every ${words(every)}`));
  }
  if (job?.active === false || job?.last_run?.status === 'failed' || job?.error) {
    if (!late) findings.push(warning('pg_cron', 'its job is off or fails; others run the tick', ...todo));
  } else if (job) {
    findings.push(fine('pg_cron', `runs it: ${job.schedule}`));
  } else if (!late) {
    findings.push(
      warning(
        'pg_cron',
        `${available ? 'has no job for the tick' : 'is not to be had here'}; beats, open pages or another scheduler run it`,
        ...(available ? todo : [`Is there another scheduler? ${GUIDE}`]),
      ),
    );
  }
  if (tick?.impaired_since) {
    findings.push(
      warning(
        'the watch',
        `is in doubt since ${tick.impaired_since}: about half of the fleet went silent together, or the tick paused`,
        'Nobody is called crashed meanwhile. It ends when they are heard again, or after three leases.',
      ),
    );
  }
  if (history?.failure) {
    findings.push(
      warning(
        'the history',
        `is not kept up to date since ${history.failed_since}: ${history.failure}`,
        'Charts have a gap from then on; the watch itself goes on. The tick tries again each time.',
      ),
    );
  }
  return findings;
}

function remedy({ job, available }: Diagnosis['cron']): string[] {
  if (job?.active === false) {
    return [
      "The job was switched off: select cron.alter_job((select jobid from cron.job where jobname = 'lastseen-tick'), active => true);",
    ];
  }
  if (job?.last_run?.status === 'failed')
    return [`pg_cron says: ${job.last_run.message ?? 'nothing'}`, GUIDE];
  if (job) return ['There is a job, so pg_cron itself may stand still: restart the project.', GUIDE];
  if (available) {
    return ['Enable pg_cron (Database, Extensions), then: select hp_private.schedule_tick();', GUIDE];
  }
  return ['There is no pg_cron here: have any cron call GET /api/tick of the dashboard.', GUIDE];
}

function words(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
