// Package block keeps records as columns: a batch as one compressed block, many batches as Parquet files, and searches in both.
//
// It knows no database. Who may write a file, which files and blocks there are, and when one may go, is for its caller to say.
package block
