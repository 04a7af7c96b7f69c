// Package schema says what may stand in a configuration, what is wrong with one, what a name in it means and who refers to
// whom. What may stand is data, schema.txt, each line with its source.
//
// It knows the elements of that file and takes others as they come where the file says so. It changes no configuration and
// does not decide when a fault matters: at an edit or at a commit.
package schema
