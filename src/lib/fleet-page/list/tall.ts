import type { Attachment } from 'svelte/attachments';

/** Sets the height in pixels by script, because the page's policy allows no style attribute. */
export function tall(pixels: number): Attachment<HTMLElement> {
  return (element) => {
    element.style.height = `${pixels}px`;
  };
}
