// Package decision tells what a security policy does with a flow, and what two policies decide differently.
//
// A Policy is a list of rules of which the names of objects are resolved; its first rule that matches a flow decides. What a
// rule asks for and the configuration does not tell (the addresses of a name, whether a schedule is on, the ports of an
// application) may match: Decide then gives every rule that may decide. Compare finds the kinds of traffic of which the
// action would be another.
//
// The package is pure: it reads no configuration (see firewall/policy), asks nobody, and knows no address translation, no
// sessions, and no App-ID beyond the names of applications.
package decision
