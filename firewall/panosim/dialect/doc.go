// Package dialect says what the behaviour of a firewall depends on: its version, and a value for each behaviour that no
// public source settles. Every such value has a name, and the comment of its type tells which source makes it doubtful, or
// that there is none. All lists the combinations that a client should survive.
//
// It does not behave in any way itself: the packages beside it ask for a value where they come to the fork.
package dialect
