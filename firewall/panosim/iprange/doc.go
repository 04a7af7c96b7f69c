// Package iprange holds runs of IP addresses and sets of them, and reads them as External Dynamic Lists and rules write
// them: an address, a network or a range.
//
// It does not know names: what refers to an object is looked up elsewhere.
package iprange
