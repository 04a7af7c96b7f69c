package pattern

import (
	"maps"
	"regexp"
	"slices"
)

// Sets gives the names of the sets of patterns that there are, sorted.
func Sets() []string { return slices.Sorted(maps.Keys(sets)) }

// Named gives a set by its name; not ok: there is none.
func Named(name string) (set []Pattern, ok bool) {
	set, ok = sets[name]
	return slices.Clone(set), ok
}

// sets are the sets by their names. Each is after the messages of its program as that documents or makes them; where the source stands behind a stranger's text,
// the pattern is anchored behind it, and else ahead of it.
var sets = map[string][]Pattern{
	"sshd":          sshd,
	"nginx-access":  access(`^(?:` + header(nginxTag, nginxTag) + `)?`),
	"nginx-error":   nginxError,
	"apache-access": access(`^(?:` + header(apacheTag, apacheTag) + `)?(?:[\w.-]+:\d{1,5} )?`),
	"apache-error":  apacheError,
	"postfix-sasl":  postfix,
	"dovecot":       dovecot,
	"exim":          exim,
	"vsftpd":        vsftpd,
	"haproxy":       haproxy,
	"openvpn":       openvpn,
}

// stamp is the time of a syslog header as rsyslog's two templates and the journal (short, short-precise, short-iso, short-iso-precise, short-full) write it into files.
const stamp = `(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [\w+-]+)`

// host is the name of the host behind it, which HAProxy, and all that programs send by themselves, leave out. It ends in no colon and holds no bracket: else another
// program's tag were taken for it, and a stranger's text behind that for the tag.
const host = `(?:[^\s\[]*[^\s\[:] )?`

// facility and severity are what busybox's syslogd writes ahead of a program's tag.
const facility = `\w+\.(?:emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug)`

// verbose are facility and severity as FreeBSD's syslogd -v writes them ahead of the host, as numbers or names (syslogd.c).
const verbose = `(?:<\w{1,8}\.\w{1,7}> )?`

// structured is the structured data of RFC 5424: in quotes it may hold anything, and what would end it with a backslash ahead (6.3.3).
const structured = `(?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+)`

// syslog gives the beginning of a regular expression for the messages of a program, whose name it is an expression for: the header in a file, and
// that of RFC 5424. Only so is a message known to be the program's own: what stands further on, another program may have been made to write.
func syslog(program string) string { return `^` + header(program, program) }

// header is the same for a program that RFC 5424 calls by another name. Where rsyslog makes that of an older message (RSYSLOG_SyslogProtocol23Format), the message
// keeps the blank that stood behind its tag.
func header(program, name string) string {
	return `(?:(?:<\d{1,3}>)?(?:1 \S+ \S+ ` + name + ` \S+ \S+ ` + structured + ` {1,2}(?:\x{FEFF} ?)?|` + stamp + ` ` + verbose + host + `(?:` + facility + ` )?` + program + `(?:\[\d+\])?: ))`
}

var sshdTag = syslog(`sshd(?:-session|-auth)?`)

// sshd are the messages of OpenSSH 7 to 10 at its log level INFO (auth.c, packet.c, sshd.c, sshd-session.c); from 9.8 on they are sshd-session's, from 10
// on also sshd-auth's. Names, and what a client offers, are strangers' text: at most 100 bytes of a name are logged, with control characters escaped, so
// that no relay cuts the line. All of them need a TCP session. Who closes the connection is taken only where the line ends in [preauth]: without that it may be
// the session of a user (7.4 and before), or a monitor that says nothing at all.
var sshd = []Pattern{
	{Event: "ssh-failed", Proven: true,
		Regexp: sshdTag + `Failed (?:password|keyboard-interactive(?:/(?:[^p ]|p[^a ])\S*)?|hostbased) for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?(?: \[preauth\])?$`},
	{Event: "ssh-failed", Proven: true, // what the client says of itself stands behind the source, too: taken where the text between them is there once
		Regexp: sshdTag + `Failed hostbased for (?:invalid user )?(?P<src_user>` + without("h2: ") + `) from (?P<src>\S+) port (?P<src_port>\d+) ssh2: ` + without("h2: ") + `$`},
	{Event: "ssh-failed", Proven: true, // keyboard-interactive (auth-pam.c), with what Linux-PAM and OpenPAM call it
		Regexp: sshdTag + `error: PAM: (?:[Aa]uthentication (?:failure|error)|User not known to the underlying authentication module|[Uu]nknown user|Have exhausted maximum number of retries for service|[Mm]aximum number of tries exceeded) for (?:illegal user )?(?P<src_user>.*) from (?P<src>\S+)(?: \[preauth\])?$`},
	{Event: "ssh-failed-again", Proven: true, // what the line above has told of: sshd adds it of users that there are not, and from the third time on
		Regexp: sshdTag + `Failed keyboard-interactive/pam for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?(?: \[preauth\])?$`},
	{Event: "ssh-invalid-user", Proven: true,
		Regexp: sshdTag + `Invalid user (?P<src_user>.*) from (?P<src>\S+)(?: port (?P<src_port>\d+))?$`},
	{Event: "ssh-max-attempts", Proven: true,
		Regexp: sshdTag + `error: maximum authentication attempts exceeded for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?(?: \[preauth\])?$`},
	{Event: "ssh-not-allowed", Proven: true,
		Regexp: sshdTag + `User (?P<src_user>.*) from (?P<src>\S+) not allowed because (?:not listed in AllowUsers|listed in DenyUsers|not in any group|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups)$`},
	{Event: "ssh-not-allowed", Proven: true, // PAM's rules for accounts; the password may have been right
		Regexp: sshdTag + `error: PAM: (?:Permission denied|User account has expired) for (?:illegal user )?(?P<src_user>.*) from (?P<src>\S+)(?: \[preauth\])?$`},
	{Event: "ssh-not-allowed", Proven: true,
		Regexp: sshdTag + `ROOT LOGIN REFUSED FROM (?P<src>\S+)(?: port (?P<src_port>\d+))?(?: \[preauth\])?$`},
	{Event: "ssh-protocol", Proven: true,
		Regexp: sshdTag + `Protocol major versions differ for (?P<src>\S+?)(?: port (?P<src_port>\d+))?: `},
	{Event: "ssh-protocol", Proven: true,
		Regexp: sshdTag + `(?:fatal: )?(?:Unable to negotiate with|banner exchange: Connection from|ssh_dispatch_run_fatal: Connection from|Did not receive identification string from) (?P<src>\S+) port (?P<src_port>\d+)`},
	{Event: "ssh-protocol", Proven: true,
		Regexp: sshdTag + `Bad protocol version identification '.*' from (?P<src>\S+) port (?P<src_port>\d+)$`},
	{Event: "ssh-timeout", Proven: true,
		Regexp: sshdTag + `(?:fatal: )?Timeout before authentication for (?:connection from )?(?P<src>[^ ,]+)(?: port (?P<src_port>\d+)| to (?P<dst>[^ ,]+))?`},
	{Event: "ssh-dropped", Proven: true,
		Regexp: sshdTag + `drop connection #\d+ from \[(?P<src>[^\]]+)\]:(?P<src_port>\d+) on \[(?P<dst>[^\]]+)\]:(?P<dst_port>\d+) penalty: `},
	{Event: "ssh-preauth", Proven: true,
		Regexp: sshdTag + `(?:Connection (?:closed|reset) by|Disconnected from) (?P<src>\S+) port (?P<src_port>\d+) \[preauth\]$`},
	{Event: "ssh-preauth", Proven: true,
		Regexp: sshdTag + `(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) (?:invalid|authenticating) user (?P<src_user>.*) (?P<src>\S+) port (?P<src_port>\d+)(?:: Too many authentication failures)? \[preauth\]$`},
	{Event: "ssh-preauth", Proven: true, // users stand on both sides of the source: taken where the text between them is there once
		Regexp: sshdTag + `Disconnecting (?:invalid|authenticating) user (?P<src_user>` + without(": Change of username") + `) (?P<src>\S+) port (?P<src_port>\d+): Change of username or service not allowed: ` +
			without(": Change of username") + ` \[preauth\]$`},
}

// without gives an expression for what does not hold a text, whose first character, a plain one, stands in it once.
func without(text string) string {
	first, rest := regexp.QuoteMeta(text[:1]), text[1:]
	begun, ended := "", "" // what the text goes on with, and what breaks it off
	for i := len(rest) - 1; i >= 0; i-- {
		c := regexp.QuoteMeta(rest[i : i+1])
		if i == len(rest)-1 {
			ended = `[^` + first + c + `]`
			continue
		}
		begun, ended = `(?:`+c+begun+`)?`, `(?:[^`+first+c+`]|`+c+ended+`)`
	}
	return `(?:[^` + first + `]|(?:` + first + begun + `)*` + first + ended + `)*(?:` + first + begun + `)*`
}

// vsftpd are the failed logins of vsftpd 2 and 3 (logging.c), in its own file or in syslog. The client stands behind the user, in the line's only quotes: a user who
// holds one is passed over, and so are anonymous failures, behind whose client a password stands that could hold all of it.
var vsftpd = []Pattern{
	{Event: "ftp-auth-failed", Proven: true,
		Regexp: `(?:^(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}) \[pid \d+\] |` + syslog(`vsftpd`) + `(?:\[pid \d+\] )?)\[(?P<src_user>[^"]*)\] FAIL LOGIN: Client "(?P<src>[^"]+)"$`},
}

// openvpnTag begins OpenVPN's own lines (error.c), at verb 4 and more with microseconds, and those of machine-readable-output with seconds and flags.
var openvpnTag = `(?:^(?:(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: us=\d+)?|\d{9,10}\.\d{6} [0-9a-f]+) |` + syslog(`(?:openvpn|ovpn)[\w.@-]*`) + `)`

// known is the name of a client ahead of its address (multi.c), where it holds nothing that could be a message. Only who was let in has one: it is the name in his certificate, or his user.
const known = `(?:[\w.@-]+/)?`

// peer is the client as OpenVPN begins its lines with it (mroute.c): IPv4 with its port; IPv6 without one in 2.4 to 2.6, so that all of it is the address, and later in
// brackets with one, behind the protocol.
const peer = `(?:(?:udp|tcp)[46](?:-server)?:)?(?P<src>[0-9A-Fa-f]*:[0-9A-Fa-f:.]+|\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:.]+\])(?::(?P<src_port>\d+))?`

// openvpn are what OpenVPN 2.4 to 2.7 refuses (ssl_verify.c, ssl.c), in its own file or in syslog. The client stands first, or last. Over UDP its handshake's
// first packets may have been forged; who failed with a password or a certificate has answered.
var openvpn = []Pattern{
	{Event: "vpn-auth-failed", Proven: true,
		Regexp: openvpnTag + known + peer + ` TLS Auth Error: Auth Username/Password verification failed for peer$`},
	{Event: "vpn-certificate-refused", Proven: true,
		Regexp: openvpnTag + peer + ` VERIFY ERROR: `},
	{Event: "vpn-tls-failed",
		Regexp: openvpnTag + known + peer + ` TLS Error: TLS (?:handshake failed|key negotiation failed to occur within \d+ seconds \(check your network connectivity\))$`},
	{Event: "vpn-tls-failed",
		Regexp: openvpnTag + `(?:\S+ )?(?:TLS Error: incoming packet authentication failed|TLS Error: tls-crypt unwrapping failed|TLS Error: cannot locate HMAC in incoming packet|Authenticate/Decrypt packet error: packet HMAC authentication failed) from \[AF_INET6?\](?P<src>\S+):(?P<src_port>\d+)$`},
}
