// Package schema says what may stand in a configuration, what is wrong with one, what a name in it means and who refers to
// whom.
//
// It knows what this simulator has a use for and takes everything else as it comes. It changes no configuration and does
// not decide when a fault matters: at an edit or at a commit.
package schema
