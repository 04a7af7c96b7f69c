// Package logs is the logs of a firewall: its system log, and the entries of TRAFFIC, THREAT and, of logins, GLOBALPROTECT
// and SYSTEM in the forms that syslog servers want, filtered by log forwarding profiles or by the match lists of the device,
// and sent over UDP, TCP and TLS.
//
// It does not keep these entries, and does not decide what is logged. Other types of log are not simulated, and of the
// system log's lines only those of logins are sent.
package logs
