import type { Attachment } from 'svelte/attachments';

/** So many pixels tall. By script, for the policy of the page allows no style attribute. */
export function tall(pixels: number): Attachment<HTMLElement> {
  return (element) => {
    element.style.height = `${pixels}px`;
  };
}
