import type { Results } from './samples.ts';

/** The results of the other workers. */
export type Table = Pick<Results, 'analysis' | 'crawl' | 'posts'>;

/** One turn of a speaker. */
export type Turn = Results['session']['turns'][number];

export interface Speaker {
  name: string;
  /** In the first round: the speaker's own results. */
  report(table: Table): string;
  /** In later rounds: a reply to the turn before. */
  reply(table: Table, last: Turn): string;
}

const librarian: Speaker = {
  name: 'Librarian',
  report({ analysis }) {
    if (analysis.length === 0) return 'Nothing has been measured yet; analyze-worker owes us a report.';
    const words = analysis.reduce((sum, file) => sum + file.words, 0);
    const longest = analysis.reduce((a, b) => (b.words > a.words ? b : a));
    const reading = `${longest.path} takes ${count(longest.minutes, 'minute')} to read`;
    return `${count(analysis.length, 'file')}, ${count(words, 'word')}; ${reading}.`;
  },
  reply({ analysis }, { speaker }) {
    const shortest = analysis.toSorted((a, b) => a.words - b.words)[0];
    if (!shortest) return `${speaker}, I have nothing to compare that with yet.`;
    return `${speaker}, begin with ${shortest.path}: only ${count(shortest.words, 'word')}.`;
  },
};

const scout: Speaker = {
  name: 'Scout',
  report({ crawl }) {
    if (crawl.pages === 0) return 'I have not been round the site yet; crawl-worker is still out.';
    const [first] = crawl.broken;
    if (!first) return `I went round ${count(crawl.pages, 'page')}, and every link leads somewhere.`;
    return `Of ${count(crawl.pages, 'page')}, ${crawl.broken.length} broken: ${first.path} answers ${first.status}.`;
  },
  reply({ analysis }, { speaker, text }) {
    const file = analysis.find(({ path }) => text.includes(path));
    if (!file) return `${speaker}, there is no link for me to follow in that.`;
    const [first] = file.broken;
    return first
      ? `${file.path} points to ${first}, which is not there.`
      : `Every link in ${file.path} holds.`;
  },
};

const publicist: Speaker = {
  name: 'Publicist',
  report({ posts }) {
    const refused = posts.filter((post) => post.outcome === 'refused').length;
    return `${count(posts.length - refused, 'post')} out, ${refused} refused.`;
  },
  reply({ posts }, { speaker }) {
    const lately = posts.filter((post) => post.at > Date.now() - 60_000).length;
    return `${speaker}, that makes a good post; ${lately} went out in the last minute.`;
  },
};

/** The speakers in their order. */
export const speakers = [librarian, scout, publicist];

function count(number: number, of: string): string {
  return `${number.toLocaleString('en')} ${of}${number === 1 ? '' : 's'}`;
}
