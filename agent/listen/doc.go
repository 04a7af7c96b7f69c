// Package listen takes syslog messages over UDP, TCP and TLS and writes each as one line into a file of its sender, which agent/tail
// reads: from the moment a line is in that file, all that is promised of files holds for it.
//
// A message is what its sender sent, header included; RFC 3164, RFC 5424 and text without any header are the same here. Control characters
// in it but the tab are written as rsyslog writes them, a number sign and three octal digits (#012 for a newline, #000 for a NUL), so that
// no message becomes two lines; those that end it (CR, LF, NUL) are left out. Over TCP and TLS the first bytes of a connection tell whether its
// messages end in newlines or are preceded by their lengths (RFC 6587).
//
// A file is called after the address that it came from, never after anything that a message says. The package reads no message, and knows nothing of
// positions but what it is told: a file that is full is renamed and, when it was read and that was stored, deleted.
package listen
