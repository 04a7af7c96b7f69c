// Package edl is the External Dynamic Lists of a firewall: it really fetches them over HTTP and HTTPS, verifies their servers,
// shares out the platform's limit and says which addresses are enforced.
//
// Of lists of domains and URLs it knows the definitions alone. It fetches nothing by the clock: somebody has to ask.
package edl
