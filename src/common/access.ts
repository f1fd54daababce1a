/** Metadata key of routes that need no token; `@Public()` sets it, and parts that may not know of accounts set it by hand. */
export const PUBLIC = 'access:public';
