/* Weighted stacks to a tree of calls.  Pure. */
export {}
