// Package policy looks whether the configuration of a firewall lets our blocks have effect, and makes what is missing.
//
// The words: Facts are what a firewall answered about itself, its policy, what it holds and what we may do; an Expectation is
// what it shall be like. Verify judges the one by the other and gives fifteen Checks, each the result of its findings, with a
// remedy for a person. Provision gives a Plan: the Steps that are missing, in the order in which they can be taken, and what they
// would decide otherwise; a plan is judged by Verify as if it were applied. Remove gives
// one that takes all of it away again. Take takes its steps in the candidate configuration,
// and Commit publishes our edits alone.
//
// Judging is pure: the same Facts and Expectation give the same Checks and Steps.
//
// The package does not block anything, and keeps no address on a firewall (see firewall). It changes nothing but by Take and
// Commit, runs no loop and keeps nothing on disk.
package policy
