// Package byhand tells what a commit of our administrator would put in force that a plan does not make: his edits by hand.
//
// It compares whole configurations, asks no device, and does not judge what an edit does: any that the plan does not make is one.
package byhand
