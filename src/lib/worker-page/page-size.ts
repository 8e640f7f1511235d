/** So many events and commands are sent at first, and with every "older"; fewer: there are no more. */
export const PAGE_OF = 40;
