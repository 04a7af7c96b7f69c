// Package policy looks whether the configuration of a firewall lets our blocks have effect, and makes what is missing.
//
// ReadFacts asks a firewall for its policy, what it holds and what we may do; Verify judges that against an Expectation, and
// gives fourteen Checks. Provision gives the Steps that are missing, Take takes them in the candidate configuration, and Commit
// publishes our edits alone.
//
// The package does not block anything, and keeps no address on a firewall (see firewall). It changes nothing but by Take and
// Commit, runs no loop and keeps nothing on disk.
package policy
