package pattern

// sshdTag is what OpenSSH's messages are from: sshd, and from 9.8 on sshd-session and (10) sshd-auth.
var sshdTag = syslog(`sshd(?:-session|-auth)?`)

// sshEnd is what may stand behind the source's port.
const sshEnd = ` port (?P<src_port>\d+)`

// sshd are the messages of OpenSSH 7 to 10 at its log level INFO, from auth.c, auth2.c, packet.c, sshd.c and sshd-session.c. Names and
// what a client offers are strangers' text: of a name at most 100 bytes are logged, with control characters escaped, so that no relay cuts the line.
// All of them need a TCP session.
var sshd = []Pattern{
	{Event: "ssh-failed", Proven: true,
		Regexp: sshdTag + `Failed (?:password|keyboard-interactive\S*|hostbased) for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+)` + sshEnd + `(?: ssh2)?$`},
}
