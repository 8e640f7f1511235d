import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type LaunchOptions } from 'playwright-core';

/**
 * A Chromium for tests: the one that `CHROME_PATH` names, else an installed Chrome or Chromium, else, on Linux x64, the
 * one that the npm package `@sparticuz/chromium` carries.
 *
 * @throws an error that says what to install or set, where there is none
 */
export async function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  const { CHROME_PATH } = process.env;
  if (CHROME_PATH && !existsSync(CHROME_PATH))
    throw new Error(`CHROME_PATH is ${CHROME_PATH}, which does not exist.`);
  const executablePath = CHROME_PATH || installedBrowser();
  const found = executablePath ? { executablePath } : await carriedBrowser();
  return chromium.launch({ ...options, ...found });
}

/** Where an installed Chrome or Chromium is, or null. */
export function installedBrowser(): string | null {
  return candidates().find((path) => existsSync(path)) ?? null;
}

function candidates(): string[] {
  const { platform, env } = process;
  if (platform === 'darwin') {
    return ['Google Chrome', 'Chromium'].map((app) => `/Applications/${app}.app/Contents/MacOS/${app}`);
  }
  if (platform === 'win32') {
    return [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA]
      .filter((folder) => folder !== undefined)
      .map((folder) => join(folder, 'Google/Chrome/Application/chrome.exe'));
  }
  const names = ['google-chrome-stable', 'google-chrome', 'chromium', 'chromium-browser'];
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name)));
}

/**
 * The browser from `@sparticuz/chromium`, unpacked once per version. The package is made for AWS Lambda; what it unpacks
 * by itself goes to fixed names in the temporary folder, where another version or another user may have been first.
 */
async function carriedBrowser(): Promise<Pick<LaunchOptions, 'executablePath' | 'env' | 'args'>> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('No Chrome or Chromium found. Install one, or set CHROME_PATH to where it is.');
  }
  const folder = await unpacked();
  // Its libraries (NSS, expat) stand in for those that a bare container lacks; its fonts likewise.
  const libraries = [join(folder, 'al2023/lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return {
    executablePath: join(folder, 'chromium'),
    // LC_ALL: from C.UTF-8 Chromium makes a language that its own Intl refuses.
    env: {
      ...process.env,
      LD_LIBRARY_PATH: libraries,
      FONTCONFIG_PATH: join(folder, 'fonts'),
      HOME: folder,
      LC_ALL: 'en_US.UTF-8',
    },
    // There is no GPU where there is no browser, and the sandbox needs what a container does not grant.
    args: ['--no-sandbox', '--no-zygote', '--disable-gpu'],
  };
}

/** The package's own configuration names folders of AWS Lambda: elsewhere Chromium finds no font, shows no text and may crash. */
const fontsIn = (folder: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${folder}</dir><cachedir>${folder}/cache</cachedir></fontconfig>
`;

const ARCHIVES = ['chromium.br', 'fonts.tar.br', 'swiftshader.tar.br', 'al2023.tar.br'];

async function unpacked(): Promise<string> {
  const packageFolder = dirname(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))));
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const cache = fileURLToPath(new URL('../../node_modules/.cache/lastseen/', import.meta.url));
  const folder = join(cache, `chromium-${version}`);
  if (existsSync(folder)) return folder;

  // Unpacked beside its place and then moved there: another test file may be doing the same.
  const draft = `${folder}.${process.pid}`;
  const { TMPDIR } = process.env;
  await mkdir(draft, { recursive: true });
  try {
    process.env.TMPDIR = draft; // where the package unpacks to
    const { inflate } = await import('@sparticuz/chromium');
    await Promise.all(ARCHIVES.map((archive) => inflate(join(packageFolder, 'bin', archive))));
    await writeFile(join(draft, 'fonts/fonts.conf'), fontsIn(join(folder, 'fonts')));
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}
