package pattern

import (
	"regexp"
	"strings"
	"unicode"
)

const (
	nginxTag  = `nginx[\w.-]*`
	apacheTag = `(?:apache2?|httpd)[\w.-]*`
)

// Paths that are asked for to find out what a server has or leaks, by whole segments of them: of the first, nobody else asks for them, and one that was served is worse than one that
// was not; of the others, some servers have them. Not among them is what programs ask every server for by themselves, such as autodiscover.
var (
	// What WordPress answers with 200 where a password is wrong; a right one has the form send elsewhere (302). What stands behind the script is its PATH_INFO.
	loginForm = folders + paths("/wp-login.php") + rest
	loginCall = folders + paths("/xmlrpc.php") + rest
	leaks     = folders + slash + `(?:(?:` + paths(".env", "wp-config.php", ".wp-config.php") + `)` + copied + `|` + paths("wp-config.bak", "wp-config.old", "wp-config.txt") + `|` +
		paths(".envrc", ".git", ".git-credentials", ".gitconfig", ".svn", ".hg", ".aws", ".ssh", ".docker", ".kube", ".vscode", ".npmrc", ".bash_history", ".htpasswd", ".htaccess", ".DS_Store", ".netrc", ".pgpass", ".my.cnf", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "server.key", "phpinfo.php") + `)` + rest
	probes = folders + slash + `(?:` + paths("phpmyadmin") + `[\w.-]*|` +
		paths("wp-login.php", "xmlrpc.php", "wp-admin", "wp-includes", "pma", "cgi-bin", "vendor/phpunit", "actuator", "solr/admin", "boaform", "HNAP1", "setup.cgi", "manager/html",
			"_ignition", "remote/login", "+CSCOE+", "api/jsonws", "console/login", "geoserver", "telescope") + `)` + rest
)

const (
	slash = `(?:/|%2[fF])`
	dot   = `(?:\.|%2[eE])`
	// folders are those ahead. They may hold blanks, which no program writes there: nginx before 1.21.1 served such a request.
	folders = `(?:` + slash + `(?:[^"\\?]|\\.)*)?`
	// rest is what follows a whole segment. A backslash may stand ahead of a quote (Apache), or by itself (HAProxy).
	rest    = `(?:` + slash + within + `)?`
	within  = `(?:[^"\\? ]|\\[^ ]?)*`
	anyPath = `[^"?\\ ]*`
	// copied is what an editor or a person adds to the name of a copy, such as .bak, ~, -old or 1.
	copied = `(?:(?:[._~-]|\d|%2[dDeE]|%5[fF]|%7[eE])[\w.~%-]*)?`
	// spelled is a path with a letter, digit, hyphen or underscore as %xx, or the dots of a folder above. Groups keep the percent sign with what tells it from those of other characters: lines
	// are looked through for both.
	spelled = within + `(?:(%[46][1-9A-Fa-f])|(%[357]\d)|(%[57][Aa])|(%2[dD])|(%5[fF])|(` + slash + `\.%2[eE]` + slash + `)|(` + slash + `%2[eE]\.` + slash + `)|(` + slash + `%2[eE]%2[eE]` + slash + `)|(\.\.%2[fF])|(%2[fF]\.\.))` + within
	// target is what stands between method and path: nginx passes over several blanks, and all servers over scheme and host, which HAProxy writes of every request of HTTP/2.
	target = ` +(?:[A-Za-z][\w+.-]*://[^/"? ]*)?`
	method = `\S+`
)

// paths is an expression for some paths, in any case, for some file systems ignore that, and with dots, slashes, hyphens, underscores and plus signs also as %xx.
func paths(texts ...string) string {
	var b strings.Builder
	for i, text := range texts {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, c := range text {
			switch upper := unicode.ToUpper(c); {
			case c == '/':
				b.WriteString(slash)
			case c == '.':
				b.WriteString(dot)
			case c == '-':
				b.WriteString(`(?:-|%2[dD])`)
			case c == '_':
				b.WriteString(`(?:_|%5[fF])`)
			case c == '+':
				b.WriteString(`(?:\+|%2[bB])`)
			case unicode.IsLetter(c):
				b.WriteString("[" + string(upper) + string(unicode.ToLower(c)) + "]")
			default:
				b.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
	}
	return b.String()
}

// Inside quotes the servers escape quotes and backslashes (nginx as \x22 and \x5C, Apache with a backslash), so that these are what a quoted text,
// and a user ahead of it, can hold.
const quoted = `(?:[^"\\]|\\.)*`

// client is an address, or the name of a host with a dot: not the beginning of a header that is no web server's, in which the address stands further on.
const client = `(?P<src>[\w-]*\.[\w.-]+|[0-9A-Fa-f]*:[0-9A-Fa-f.:]+(?:%\w+)?)`

// clock is the time of the two formats, or of nginx's $time_iso8601.
const clock = `(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))`

// access are requests in the combined or common log format, in the server's own file or behind a syslog header. The source is the first word, or the second behind
// the name of a virtual host and its port; the user is a stranger's text, and holds no quote, so that time, request and status are the server's. Behind the source stands the
// hyphen of an ident that was not asked for: without it, it may be a virtual host that the client chose, and the source stands further on. Where there is such a hyphen in
// the user, all ahead of it may be a header that the client wrote (nginx's $http_host, Apache's %{Host}i), and who the source is cannot be told: that is an event of its own,
// which one packet is as good for. All others need a session.
func access(begin string) []Pattern {
	pattern := func(event, user, path, status string) Pattern {
		return Pattern{Event: event, Proven: true, Regexp: begin + client + ` - ` + user + ` \[` + clock + `\] "` + path + `" (?P<action>` + status + `) `}
	}
	line := func(event, user, path, status string) Pattern { return pattern(event, user, path+quoted, status) }
	request := func(path string) string { return method + target + `(?P<threat_name>` + path + `)` }
	const query = `(?:[?;# ]` + quoted + `)?`
	asked := func(path string) string { return request(path) + query }
	const (
		char    = `(?:[^"\\ ]|\\.)`                                   // of a user
		word    = `(?:(?:[^"\\ -]|\\.|-` + char + `)` + char + `*)`   // of a user, and no hyphen
		user    = `(?P<src_user> *` + word + `(?: +` + word + `)* *)` // of words that are none
		anybody = `(?:-|` + user + `)`
		hidden  = `(?:` + quoted + ` -(?: ` + quoted + `)?|- ` + quoted + `)` // with one that is
	)
	post := func(path string) string { return `POST` + target + `(?P<threat_name>` + path + `)` + query }
	odd := pattern("http-ambiguous", hidden, request(anyPath)+quoted, `[1-5]\d\d`)
	odd.Proven = false
	return []Pattern{
		pattern("http-probe", anybody, asked(leaks), `\d{3}`),
		pattern("http-probe", anybody, asked(probes), `4\d\d`),
		pattern("http-probe-moved", anybody, asked(probes), `30[1278]`),
		pattern("wordpress-login", anybody, post(loginForm), `200`),
		pattern("wordpress-xmlrpc", anybody, post(loginCall), `200`),
		line("http-auth-failed", user, request(anyPath), `401`), // without a user it is the server's first question
		line("http-bad-request", anybody, ``, `400`),
		line("http-forbidden", anybody, request(anyPath), `403|444`),
		line("http-not-found", anybody, request(anyPath), `404`),
		line("http-limited", anybody, request(anyPath), `429`),
		pattern("http-encoded", anybody, asked(spelled), `\d{3}`),
		odd,
	}
}

var haproxyTag = syslog(`haproxy`) + `(?P<src>\S+):(?P<src_port>\d+) \[(?P<time>[^\]]+)\] `

// haproxy are requests in HAProxy's HTTP log format, and failed TLS handshakes. The source stands first; captured headers and the request hold no quote, for
// HAProxy writes it as #22.
var haproxy = []Pattern{
	{Event: "tls-failed", Proven: true, Regexp: haproxyTag + `[^ /]+/\S+: SSL handshake failure`},
	haproxyLine("http-probe", method, leaks, ended, `\d{3}`),
	haproxyLine("http-probe", method, probes, ended, `4\d\d`),
	haproxyLine("http-probe-moved", method, probes, ended, `30[1278]`),
	haproxyLine("wordpress-login", `POST`, loginForm, ended, `200`),
	haproxyLine("wordpress-xmlrpc", `POST`, loginCall, ended, `200`),
	{Event: "http-bad-request", Proven: true, Regexp: haproxyHead(`400`)},
	haproxyLine("http-unauthorized", method, anyPath, ``, `401`),
	haproxyLine("http-forbidden", method, anyPath, ``, `403`),
	haproxyLine("http-not-found", method, anyPath, ``, `404`),
	haproxyLine("http-limited", method, anyPath, ``, `429`),
	haproxyLine("http-encoded", method, spelled, ended, `\d{3}`),
}

// ended ends the path of a request, which HAProxy cuts off where its line is too long.
const ended = `(?:[?;# "]|$)`

func haproxyLine(event, method, path, behind, status string) Pattern {
	return Pattern{Event: event, Proven: true, Regexp: haproxyHead(status) + method + target + `(?P<threat_name>` + path + `)` + behind}
}

// haproxyHead begins a line up to the request.
func haproxyHead(status string) string {
	return haproxyTag + `\S+ \S+ [\d/+-]+ (?P<action>` + status + `) [^"]*"`
}

// nginxHead begins a line of nginx's error.log (ngx_log.c), behind a syslog header where it sends them: time, level, process, connection.
var nginxHead = `^(?:` + header(nginxTag, nginxTag) + `)?(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[[a-z]+\] \d+#\d+: \*\d+ `

const nginxClient = `, client: (?P<src>[0-9A-Fa-f.:]+)(?:,|$)` // not that of a Unix socket

// nginxBehind ends what a stranger wrote in a line ahead of the client.
const nginxBehind = `(?:": password mismatch|" was not found in "[^"]*"|" (?:failed|is not found) \(2: No such file or directory\))`

// nginxError are what nginx refuses, of its error.log. The source stands behind a user or a path and ahead of request, host and referrer, any of which may hold what ends the other: where that
// stands twice, who the source is cannot be told. Nothing is escaped, not even line breaks of a user or a path, so that whole lines may be a stranger's: all of them are forgeable.
var nginxError = []Pattern{
	{Event: "http-ambiguous",
		Regexp: nginxHead + `.*?` + nginxBehind + `, client: (?P<src>[0-9A-Fa-f.:]+),.*` + nginxBehind + `, client: `},
	{Event: "http-auth-failed",
		Regexp: nginxHead + `user "(?P<src_user>.*)"(?:: password mismatch| was not found in "[^"]*")` + nginxClient},
	{Event: "http-forbidden",
		Regexp: nginxHead + `(?P<threat_name>access forbidden by rule)` + nginxClient},
	{Event: "http-limited",
		Regexp: nginxHead + `(?:limiting requests, excess: [\d.]+|limiting connections) by zone "(?P<threat_name>[^"]*)"` + nginxClient},
	{Event: "http-not-found",
		Regexp: nginxHead + `(?:open\(\) )?"(?P<threat_name>.*)" (?:failed|is not found) \(2: No such file or directory\)` + nginxClient},
	{Event: "tls-failed",
		Regexp: nginxHead + `SSL_do_handshake\(\) failed \(SSL: error:[^"]*\) while SSL handshaking` + nginxClient},
}

// apacheHead begins a line of a module in Apache's error.log (2.4, ErrorLogFormat as it is built in), without the time where syslog has it: time, module and level, process, the system's error, client.
func apacheHead(module string) string {
	return `^(?:` + header(apacheTag, apacheTag) + `)?(?:\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] )?\[` + module + `:[a-z0-9]+\] \[pid \d+(?::tid \d+)?\] (?:\(\d+\)[^\[\]]*: )?` +
		`\[client (?P<src>[0-9A-Fa-f.:]*?)(?::(?P<src_port>\d+))?\] `
}

// apacheError are what Apache refuses, of its error.log, each as its module says it. The source stands ahead of all that a stranger writes, in which line breaks and the like are escaped. All of
// them need a session.
var apacheError = []Pattern{
	{Event: "http-auth-failed", Proven: true,
		Regexp: apacheHead(`auth_(?:basic|digest)`) + `AH01(?:617|618|790|791|792): user (?P<src_user>.*?)(?:: authentication failure for "| not found: |: password mismatch: |' in realm )`},
	{Event: "http-forbidden", Proven: true,
		Regexp: apacheHead(`(?:authz_core|access_compat)`) + `AH01(?:630|797): client denied by server configuration: (?P<threat_name>.*?)(?:, referer: .*)?$`},
	{Event: "http-not-found", Proven: true, // scripts; that a file is not there, only access.log has
		Regexp: apacheHead(`(?:cgid?|proxy_fcgi|php\d?)`) + `(?:(?:AH\d{5}: )?script not found or unable to stat: |script '.*' not found or unable to stat|AH01071: Got error 'Primary script unknown)`},
	{Event: "http-bad-request", Proven: true,
		Regexp: apacheHead(`core`) + `AH(?:00126: Invalid URI in request|00135: Invalid method in request|10244: invalid URI path) `},
}
