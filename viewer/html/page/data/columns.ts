/* Columns out of the page's data block; the format is written by ../../columns.c, which describes it.  */
export {}
