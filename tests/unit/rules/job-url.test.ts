import { describe, expect, it } from 'vitest';
import { jobUrl } from '../../../src/lib/rules/job-url.ts';

const job = { job_id: 'page 8812', worker_name: 'crawl-worker', job_type: 'crawl' };

describe('the address of a job', () => {
  it('is made from its id, its type and its worker', () => {
    expect(jobUrl('https://example.com/jobs/{job_id}?by={worker_name}#{job_type}', job)).toBe(
      'https://example.com/jobs/page%208812?by=crawl-worker#crawl',
    );
    expect(jobUrl('http://127.0.0.1:4000/{job_id}/{job_id}', { ...job, job_id: '7' })).toBe(
      'http://127.0.0.1:4000/7/7',
    );
  });

  it('keeps a worker’s values in their places', () => {
    const hostile = `a/b?c=d#e&f"><script>'%2e`;
    expect(jobUrl('https://example.com/jobs/{job_id}?x=1', { ...job, job_id: hostile })).toBe(
      `https://example.com/jobs/${encodeURIComponent(hostile)}?x=1`,
    );
  });

  it.each([
    ['javascript:alert(1)//{job_id}', 'x'],
    ['data:text/html,{job_id}', 'x'],
    ['{job_id}', 'javascript:alert(1)'],
    ['{job_id}', 'https://evil.example'],
    ['/jobs/{job_id}', 'x'],
    ['not an address', 'x'],
    ['', 'x'],
  ])('is none where %s does not make an http(s) address', (template, job_id) => {
    expect(jobUrl(template, { ...job, job_id })).toBeNull();
  });

  it.each([
    ['https://{job_id}/jobs', 'evil.example'],
    ['https://{job_id}.example.com/', 'evil'],
    ['https://example.com:{job_id}/', '99'],
    ['https://example.com/jobs/{job_id}', '..'],
    ['https://example.com/jobs/{job_id}/edit', '.'],
  ])('is none where %s would be led astray by %s', (template, job_id) => {
    expect(jobUrl(template, { ...job, job_id })).toBeNull();
  });

  it('is null if a field is missing or no text', () => {
    expect(jobUrl('https://example.com/{job_type}', { ...job, job_type: null })).toBeNull();
    expect(jobUrl('https://example.com/{job_id}', { ...job, job_id: '\ud800' })).toBeNull();
  });
});
