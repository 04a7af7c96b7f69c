package pattern

import (
	"maps"
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
	"apache-access": access(`^(?:` + header(apacheTag, apacheTag) + `)?(?:[\w.-]+:\d{1,5} )?`),
	"postfix-sasl":  postfix,
	"dovecot":       dovecot,
	"vsftpd":        vsftpd,
	"haproxy":       haproxy,
	"openvpn":       openvpn,
}

const (
	nginxTag  = `nginx[\w.-]*`
	apacheTag = `(?:apache2?|httpd)[\w.-]*`
)

// stamp is the time of a syslog header as rsyslog's two templates and the journal (short, short-iso) write it into files.
const stamp = `(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+)`

// host is the name of the host behind it, which HAProxy, and all that programs send by themselves, leave out. It ends in no colon and holds no bracket: else another
// program's tag were taken for it, and a stranger's text behind that for the tag.
const host = `(?:[^\s\[]*[^\s\[:] )?`

// facility and severity are what busybox's syslogd writes ahead of a program's tag.
const facility = `\w+\.(?:emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug)`

// syslog gives the beginning of a regular expression for the messages of a program, whose name it is an expression for: the header in a file, and
// that of RFC 5424. Only so is a message known to be the program's own: what stands further on, another program may have been made to write.
func syslog(program string) string { return `^` + header(program, program) }

// header is the same for a program that RFC 5424 calls by another name. Where rsyslog makes that of an older message (RSYSLOG_SyslogProtocol23Format), the message
// keeps the blank that stood behind its tag.
func header(program, name string) string {
	return `(?:(?:<\d{1,3}>)?(?:1 \S+ \S+ ` + name + ` \S+ \S+ (?:-|(?:\[[^\]]*\])+) {1,2}(?:\x{FEFF} ?)?|` + stamp + ` ` + host + `(?:` + facility + ` )?` + program + `(?:\[\d+\])?: ))`
}

var sshdTag = syslog(`sshd(?:-session|-auth)?`)

// sshd are the messages of OpenSSH 7 to 10 at its log level INFO (auth.c, packet.c, sshd.c, sshd-session.c); from 9.8 on they are sshd-session's, from 10
// on also sshd-auth's. Names, and what a client offers, are strangers' text: at most 100 bytes of a name are logged, with control characters escaped, so
// that no relay cuts the line. All of them need a TCP session.
var sshd = []Pattern{
	{Event: "ssh-failed", Proven: true,
		Regexp: sshdTag + `Failed (?:password|keyboard-interactive\S*|hostbased) for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?$`},
	{Event: "ssh-failed", Proven: true, // keyboard-interactive (auth-pam.c), with what Linux-PAM and OpenPAM call it
		Regexp: sshdTag + `error: PAM: (?:[Aa]uthentication (?:failure|error)|User not known to the underlying authentication module|[Uu]nknown user|Have exhausted maximum number of retries for service|[Mm]aximum number of tries exceeded) for (?:illegal user )?(?P<src_user>.*) from (?P<src>\S+)(?: \[preauth\])?$`},
	{Event: "ssh-invalid-user", Proven: true,
		Regexp: sshdTag + `Invalid user (?P<src_user>.*) from (?P<src>\S+)(?: port (?P<src_port>\d+))?$`},
	{Event: "ssh-max-attempts", Proven: true,
		Regexp: sshdTag + `error: maximum authentication attempts exceeded for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?(?: \[preauth\])?$`},
	{Event: "ssh-not-allowed", Proven: true,
		Regexp: sshdTag + `User (?P<src_user>.*) from (?P<src>\S+) not allowed because (?:not listed in AllowUsers|listed in DenyUsers|not in any group|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups)$`},
	{Event: "ssh-protocol", Proven: true,
		Regexp: sshdTag + `(?:fatal: )?(?:Unable to negotiate with|banner exchange: Connection from|Did not receive identification string from) (?P<src>\S+) port (?P<src_port>\d+)`},
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
}

// Paths that are asked for to find out what a server has or leaks: of the first, nobody else asks for them; of the others, some servers have them. Not among them is
// what programs ask every server for by themselves, such as autodiscover.
const (
	leaks  = `/(?:[^"? ]*/)?(?:\.env|\.git/|\.svn/|\.aws/|\.ssh/|\.htpasswd|\.DS_Store|wp-config\.php|phpinfo\.php|\.vscode/)[^"? ]*`
	probes = `/(?:[^"? ]*/)?(?:wp-login\.php|xmlrpc\.php|wp-admin/|wp-includes/|phpmyadmin|phpMyAdmin|pma/|cgi-bin/|vendor/phpunit|actuator/|solr/admin|boaform/|HNAP1|setup\.cgi|manager/html|_ignition/|remote/login|\+CSCOE\+|api/jsonws|console/login|geoserver/|telescope/)[^"? ]*`
)

// Inside quotes the servers escape quotes and backslashes (nginx as \x22 and \x5C, Apache with a backslash), so that these are what a quoted text,
// and a user ahead of it, can hold.
const quoted = `(?:[^"\\]|\\.)*`

// client is an address, or the name of a host with a dot: not the beginning of a header that is no web server's, in which the address stands further on.
const client = `(?P<src>[\w-]*\.[\w.-]+|[0-9A-Fa-f]*:[0-9A-Fa-f.:]+(?:%\w+)?)`

// access are requests in the combined or common log format, in the server's own file or behind a syslog header. The source is the first word, or the second behind
// the name of a virtual host and its port; the user is a stranger's text, and holds no quote, so that time, request and status are the server's. Behind the source stands the
// hyphen of an ident that was not asked for: without it, it may be a virtual host that the client chose, and the source stands further on. All of them need a session.
func access(begin string) []Pattern {
	line := func(event, user, path, status string) Pattern {
		return Pattern{Event: event, Proven: true, Regexp: begin + client + ` - ` + user + ` \[(?P<time>[^\]"]+)\] "` + path + quoted + `" (?P<action>` + status + `) `}
	}
	request := func(path string) string { return `\S+ (?P<threat_name>` + path + `)` }
	const (
		anyPath  = `[^"?\\ ]*`
		anybody  = `(?:-|(?P<src_user>` + quoted + `))`
		somebody = `(?P<src_user>(?:[^"\\-]|-[^"\\]|-?\\.)` + quoted + `)`
	)
	return []Pattern{
		line("http-probe", anybody, request(leaks), `\d{3}`),
		line("http-probe", anybody, request(probes), `4\d\d`),
		line("http-auth-failed", somebody, request(anyPath), `401`), // without a user it is the server's first question
		line("http-bad-request", anybody, ``, `400`),
		line("http-forbidden", anybody, request(anyPath), `403`),
		line("http-not-found", anybody, request(anyPath), `404`),
		line("http-limited", anybody, request(anyPath), `429`),
	}
}

// The name of RFC 5424 is cut off at the slash by rsyslog; none of the other daemons of Postfix begins a message as those that are looked for.
const (
	postfixName = `postfix(?:-[\w-]+)?`
	smtpd       = `/(?:[\w-]+/)*smtpd`
)

var postfixTag = `^` + header(postfixName+smtpd, postfixName+`(?:`+smtpd+`)?`)

// postfix are the failed logins of Postfix (smtpd_sasl_glue.c), whatever asks for them. The source stands ahead of what the client chose, and its name holds
// what host names can. That a server of ours did not answer, or the mechanism is off, is no guess.
var postfix = []Pattern{
	{Event: "smtp-auth-unavailable", Proven: true,
		Regexp: postfixTag + `warning: [\w.-]+\[(?P<src>[^\]]+)\](?::(?P<src_port>\d+))?: SASL \S+ authentication failed: (?:Connection lost to authentication server|Invalid authentication mechanism|generic failure|temporary failure|Temporary authentication failure)`},
	{Event: "smtp-auth-failed", Proven: true,
		Regexp: postfixTag + `warning: [\w.-]+\[(?P<src>[^\]]+)\](?::(?P<src_port>\d+))?: SASL (?P<threat_name>\S+) authentication failed:(?:.*, sasl_username=(?P<src_user>.*)|.*)$`},
}

// dovecot are the failed logins of Dovecot 2.2 to 2.4 (login-common/client-common.c), in syslog or in its own file. Behind the user, who may hold anything, stands no angle
// bracket but those of the session's name at the end of the line.
var dovecot = []Pattern{
	{Event: "mail-auth-failed", Proven: true,
		Regexp: `(?:` + syslog(`dovecot`) + `|^` + stamp + ` )(?P<threat_name>imap|pop3|managesieve|submission)-login: (?:Info: )?(?:Aborted login|Login aborted|Disconnected|Remote closed connection|Client has quit the connection)[^<>]* ?\(auth failed, \d+ attempts[^<>]*: ` +
			`(?:user=<(?P<src_user>.*)>, )?(?:method=[^ ,]+, )?rip=(?P<src>[^ ,<>]+)(?:, lip=(?P<dst>[^ ,<>]+))?(?:, [^<>]*)?(?:, session=<[^<>]*>)?$`},
}

// vsftpd are the failed logins of vsftpd 2 and 3 (logging.c), in its own file or in syslog. The client stands behind the user, in the line's only quotes: a user who
// holds one is passed over, and so are anonymous failures, behind whose client a password stands that could hold all of it.
var vsftpd = []Pattern{
	{Event: "ftp-auth-failed", Proven: true,
		Regexp: `(?:^(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}) \[pid \d+\] |` + syslog(`vsftpd`) + `(?:\[pid \d+\] )?)\[(?P<src_user>[^"]*)\] FAIL LOGIN: Client "(?P<src>[^"]+)"$`},
}

var haproxyTag = syslog(`haproxy`) + `(?P<src>\S+):(?P<src_port>\d+) \[(?P<time>[^\]]+)\] `

// haproxy are requests in HAProxy's HTTP log format, and failed TLS handshakes. The source stands first; captured headers and the request hold no quote, for
// HAProxy writes it as #22.
var haproxy = []Pattern{
	{Event: "tls-failed", Proven: true, Regexp: haproxyTag + `[^ /]+/\S+: SSL handshake failure`},
	haproxyLine("http-probe", `\S+ (?P<threat_name>`+leaks+`)`, `\d{3}`),
	haproxyLine("http-probe", `\S+ (?P<threat_name>`+probes+`)`, `4\d\d`),
	haproxyLine("http-bad-request", ``, `400`),
	haproxyLine("http-unauthorized", `\S+ (?P<threat_name>[^"? ]*)`, `401`),
	haproxyLine("http-forbidden", `\S+ (?P<threat_name>[^"? ]*)`, `403`),
	haproxyLine("http-not-found", `\S+ (?P<threat_name>[^"? ]*)`, `404`),
	haproxyLine("http-limited", `\S+ (?P<threat_name>[^"? ]*)`, `429`),
}

func haproxyLine(event, request, status string) Pattern {
	return Pattern{Event: event, Proven: true, Regexp: haproxyTag + `\S+ \S+ [\d/+-]+ (?P<action>` + status + `) [^"]*"` + request}
}

var openvpnTag = `(?:^(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) |` + syslog(`(?:openvpn|ovpn)[\w.@-]*`) + `)`

// peer is the client as OpenVPN begins its lines with it (mroute.c): IPv4 with its port; IPv6 without one in 2.4 to 2.6, so that all of it is the address, and later in
// brackets with one, behind the protocol.
const peer = `(?:(?:udp|tcp)[46](?:-server)?:)?(?P<src>[0-9A-Fa-f]*:[0-9A-Fa-f:.]+|\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:.]+\])(?::(?P<src_port>\d+))?`

// openvpn are what OpenVPN 2.4 to 2.7 refuses (ssl_verify.c, ssl.c), in its own file or in syslog. The client stands first, or last. Over UDP its handshake's
// first packets may have been forged; who failed with a password or a certificate has answered.
var openvpn = []Pattern{
	{Event: "vpn-auth-failed", Proven: true,
		Regexp: openvpnTag + peer + ` TLS Auth Error: Auth Username/Password verification failed for peer`},
	{Event: "vpn-certificate-refused", Proven: true,
		Regexp: openvpnTag + peer + ` VERIFY ERROR: `},
	{Event: "vpn-tls-failed",
		Regexp: openvpnTag + peer + ` TLS Error: TLS (?:handshake failed|key negotiation failed)`},
	{Event: "vpn-tls-failed",
		Regexp: openvpnTag + `(?:\S+ )?(?:TLS Error: incoming packet authentication failed|TLS Error: tls-crypt unwrapping failed|TLS Error: cannot locate HMAC in incoming packet|Authenticate/Decrypt packet error: packet HMAC authentication failed) from \[AF_INET6?\](?P<src>\S+):(?P<src_port>\d+)$`},
}
