// Package logs is the logs of a firewall: its system log, and TRAFFIC and THREAT entries in the forms that syslog servers
// want, filtered by log forwarding profiles and sent over UDP, TCP and TLS.
//
// It does not keep TRAFFIC and THREAT entries, and does not decide what is logged. Other types of log are not simulated.
package logs
