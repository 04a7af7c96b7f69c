package pattern

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

// dovecot are the failed logins of Dovecot 2.2 to 2.4 (login-common/client-common.c), in syslog or in its own file, with the time that it writes there unless log_timestamp says
// otherwise, or one of ISO 8601. Behind the user, who may hold anything, stands no angle
// bracket but those of the session's name at the end of the line. One line tells of all failures of a connection.
var dovecot = []Pattern{
	{Event: "mail-auth-failed", Proven: true,
		Regexp: `(?:` + syslog(`dovecot`) + `|^(?:` + stamp + `|(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?[+-]\d\d:?\d\d)?)) )(?P<threat_name>imap|pop3|managesieve|submission)-login: (?:Info: )?(?:Aborted login|Login aborted|Disconnected|Remote closed connection|Client has quit the connection)[^<>]* ?\(auth failed, (?P<repeat>\d+) attempts[^<>]*: ` +
			`(?:user=<(?P<src_user>.*)>, )?(?:method=[^ ,]+, )?rip=(?P<src>[^ ,<>]+)(?:, lip=(?P<dst>[^ ,<>]+))?(?:, [^<>]*)?(?:, session=<[^<>]*>)?$`},
}

// eximTime is what Exim begins its lines with (mainlog, and by syslog as well), with milliseconds, zone and process as log_selector has them.
const eximTime = `(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})?) (?:\[\d+\] )?`

var eximTag = `^(?:` + eximTime + `|` + header(`exim[\w.-]*`, `exim[\w.-]*`) + `(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})? )?(?:\[\d+\] )?)`

// eximHost is the client (host_and_ident): its name, what it called itself, in round brackets, its address, ours, and what else log_selector has, such as the user that its host names
// for it. With helo_accept_junk_hosts what it called itself may be anything, so that no square bracket may stand in what is a stranger's, but an address as such: else the address would be there.
const eximHost = `(?:[\w.-]+ )?(?:\((?:[^\[\]]+|\[(?:IPv6:)?[0-9A-Fa-f.:]+\])\) )?\[(?P<src>[0-9A-Fa-f.:]+)\](?::(?P<src_port>\d{1,5}))?(?: I=\[(?P<dst>[0-9A-Fa-f.:]+)\]:(?P<dst_port>\d{1,5}))?(?: [A-Z]\w*=[^\[\]]*)?`

// exim are the failed logins of Exim 4 (smtp_in.c), whatever asks for them, and whom it cuts off. What ends the client is there once: else another one's may end what it called itself.
var exim = []Pattern{
	{Event: "smtp-auth-failed", Proven: true,
		Regexp: eximTag + `(?P<threat_name>\w+) authenticator failed for (?:H=)?` + eximHost + `: 535 Incorrect authentication data(?: \(set_id=(?P<src_user>` + without(": 535 Incorrect") + `)\))?$`},
	{Event: "smtp-protocol", Proven: true,
		Regexp: eximTag + `SMTP call from ` + eximHost + ` dropped: too many (?:syntax or protocol errors|unrecognized commands|nonmail commands) \(` + without(": too many") + `$`},
}
