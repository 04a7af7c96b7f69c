package pattern

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// sample is a line that a program writes, and what it is taken for.
type sample struct{ want, line string }

// samplesOf reads those of a set.
func samplesOf(t testing.TB, set string) (all []sample) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sets", set+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if is, ok := strings.CutPrefix(line, "= "); ok {
			want = is
			continue
		}
		all = append(all, sample{want, line})
	}
	return all
}

func parserOf(t testing.TB, set string) *Parser {
	t.Helper()
	patterns, ok := Named(set)
	if !ok {
		t.Fatalf("there is no set %s", set)
	}
	return New(setOf(t, patterns...), Options{Location: time.UTC})
}

// told says what an event tells, in the words of the samples.
func told(ev *detect.Event, err error, timed bool) string {
	switch err {
	case nil:
	case ErrNoMatch:
		return "none"
	case ErrNoAddress:
		return "no address"
	default:
		return err.Error()
	}
	fields := []string{ev.Subtype, ev.Src.String()}
	add := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" && text != "0" && text != "invalid IP" {
			fields = append(fields, name+"="+text)
		}
	}
	add("src_port", ev.SrcPort)
	add("src_user", ev.SrcUser)
	add("dst", ev.Dst)
	add("dst_port", ev.DstPort)
	add("action", ev.Action)
	add("threat_name", ev.ThreatName)
	add("device", ev.Device)
	if ev.Repeat > 1 {
		add("repeat", ev.Repeat)
	}
	if timed {
		add("time", ev.Time.Format(time.RFC3339Nano))
	}
	slices.Sort(fields[2:])
	return strings.Join(fields, " ")
}

func TestTheSetsTakeTheirSamples(t *testing.T) {
	for _, set := range Sets() {
		p, taken := parserOf(t, set), map[int]bool{}
		for _, s := range samplesOf(t, set) {
			var ev detect.Event
			err := p.Parse([]byte(s.line), noon, &ev)
			taken[p.Took()] = true
			want := s.want
			if fields := strings.Split(want, " "); len(fields) > 2 && strings.Contains(want, "=") {
				want = inOrder(want)
			}
			if got := told(&ev, err, strings.Contains(s.want, "time=")); got != want {
				t.Errorf("%s: %s\n got %s\nwant %s", set, s.line, got, want)
			}
		}
		for i := range p.set.Len() {
			if Meaning(p.set.At(i).Event) == "" {
				t.Errorf("%s: it is not said what %s tells", set, p.set.At(i).Event)
			}
			if !taken[i] {
				t.Errorf("%s: no sample of pattern %d, %s: %s", set, i+1, p.set.At(i).Event, p.set.At(i).Regexp)
			}
			if p.set.Slow(i) {
				t.Errorf("%s: pattern %d, %s, is tried on every line", set, i+1, p.set.At(i).Event)
			}
		}
	}
}

// inOrder sorts the fields of a sample, of which one may hold spaces.
func inOrder(want string) string {
	parts := strings.SplitN(want, " ", 3)
	var fields []string
	for _, word := range strings.Split(parts[2], " ") {
		if name, _, named := strings.Cut(word, "="); named && (slices.Contains(Groups, name) || name == "device" || name == "repeat") {
			fields = append(fields, word)
		} else {
			fields[len(fields)-1] += " " + word
		}
	}
	slices.Sort(fields)
	return parts[0] + " " + parts[1] + " " + strings.Join(fields, " ")
}

// A slot is a place in the lines of a program where a stranger's text stands, as the program writes that.
type slot struct {
	set, line string // with one @ where the text stands
	write     func(string) string
}

// printable drops what the programs that have no other way of escaping write as question marks, or in octal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

func escaped(chars string, how func(byte) string) func(string) string {
	return func(text string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			if c < ' ' || c == 0x7f || strings.IndexByte(chars, c) >= 0 {
				b.WriteString(how(c))
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
}

var (
	nginx  = escaped(`"\`, func(c byte) string { return fmt.Sprintf(`\x%02X`, c) })
	apache = escaped(`"\`, func(c byte) string {
		return map[bool]string{true: `\` + string(c), false: fmt.Sprintf(`\x%02x`, c)}[c >= ' ']
	})
	structuredValue = escaped(`"\]`, func(c byte) string { return `\` + string(c) })
	haproxied       = escaped(`"#{|}`, func(c byte) string { return fmt.Sprintf(`#%02X`, c) })
)

// virtualHost is what of a request's Host may be logged: the servers answer 400 to one with what no host's name has, and log their own.
func virtualHost(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"/\\`, r) {
			return -1
		}
		return r
	}, text)
}

// slots are the places. Each is in a line of the honest source, which is all that may ever come of it.
var slots = []slot{
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Failed password for @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Failed password for invalid user @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", `Nov 29 11:59:58 h sshd[1]: Failed hostbased for @ from 203.0.113.5 port 51234 ssh2: RSA SHA256:ab, client user "a", client host "b"`, printable},
	{"sshd", `Nov 29 11:59:58 h sshd[1]: Failed hostbased for a from 203.0.113.5 port 51234 ssh2: RSA SHA256:ab, client user "@", client host "@"`, printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: error: PAM: Authentication failure for illegal user @ from 203.0.113.5", printable},
	{"sshd", "Nov 29 11:59:58 h sshd-session[1]: Invalid user @ from 203.0.113.5 port 51234", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Invalid user @ from 203.0.113.5", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: error: maximum authentication attempts exceeded for invalid user @ from 203.0.113.5 port 51234 ssh2 [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: User @ from 203.0.113.5 not allowed because not listed in AllowUsers", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Bad protocol version identification '@' from 203.0.113.5 port 51234", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Unable to negotiate with 203.0.113.5 port 51234: no matching cipher found. Their offer: @ [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Connection closed by invalid user @ 203.0.113.5 port 51234 [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Disconnecting invalid user @ 203.0.113.5 port 51234: Too many authentication failures [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Disconnecting invalid user a 203.0.113.5 port 51234: Change of username or service not allowed: (a,@) -> (b,c) [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Disconnecting invalid user @ 203.0.113.5 port 51234: Change of username or service not allowed: (@,a) -> (@,c) [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Received disconnect from 203.0.113.5 port 51234:11: @ [preauth]", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: message repeated 2 times: [ Failed password for @ from 203.0.113.5 port 51234 ssh2]", printable},
	{"sshd", "<38>1 2026-11-30T16:15:52.627977+00:00 vm sshd 812 - -  Failed password for @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", "<38>1 2026-11-30T16:15:52.627977+00:00 vm app 812 - -  @", printable},
	{"sshd", `<38>1 2026-11-30T16:15:52Z vm sshd 812 - [a b="@"][c d="@"] Failed password for root from 203.0.113.5 port 51234 ssh2`, structuredValue},
	{"sshd", `<38>1 2026-11-30T16:15:52Z vm sshd 812 - [a b="@"] Accepted password for root from 203.0.113.5 port 51234 ssh2`, structuredValue},
	{"sshd", "<38>Nov 29 11:59:58 app: @", printable},
	{"sshd", "<38>Nov 29 11:59:58 app[1]: @", printable},
	{"haproxy", "<134>Nov 29 11:59:58 app: @", haproxied},
	{"nginx-access", "<190>Nov 29 11:59:58 app: @", nginx},
	{"apache-access", "<190>Nov 29 11:59:58 app: @", apache},
	{"sshd", "Nov 29 11:59:58 h sudo[1]: anna : command not allowed ; COMMAND=@", printable},
	{"sshd", "Nov 29 11:59:58 h login[1]: FAILED LOGIN (1) on '/dev/tty1' FOR '@', Authentication failure", printable},
	{"sshd", "Nov 29 11:59:58 login[1]: @", printable},
	{"sshd", "<38>1 2026-11-30T16:15:52Z vm sshd 812 - -  Failed password for @ from 203.0.113.5 port 51234 ssh2", printable},
	{"nginx-access", `<190>Nov 30 16:16:27 vm nginx: 203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 401 179 "-" "-"`, nginx},
	{"nginx-access", `203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 401 179 "-" "-"`, nginx},
	{"nginx-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "@" 400 179 "-" "-"`, nginx},
	{"nginx-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /@ HTTP/1.1" 404 179 "-" "-"`, nginx},
	{"nginx-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 403 179 "@" "-"`, nginx},
	{"nginx-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 200 179 "-" "@"`, nginx},
	{"nginx-access", `<190>Nov 30 16:10:00 web1 nginx: 203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 404 179 "-" "-"`, nginx},
	{"apache-access", `Nov 30 16:10:00 web1 apache2: 203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 404 179 "-" "@"`, apache},
	{"apache-access", `203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 401 179 "-" "-"`, apache},
	{"apache-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "@" 400 179 "-" "-"`, apache},
	{"apache-access", `www.example.com:443 203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /@ HTTP/1.1" 404 179 "-" "-"`, apache},
	{"apache-access", `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 200 179 "@" "@"`, apache},
	{"nginx-access", `@ 203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 404 153 "-" "curl"`, virtualHost},
	{"apache-access", `@ 203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 404 153 "-" "curl"`, virtualHost},
	{"nginx-access", `203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "POST /wp-login.php?@ HTTP/1.1" 200 5121 "@" "@"`, nginx},
	{"apache-access", `203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "POST /xmlrpc.php?@ HTTP/1.1" 200 403 "@" "@"`, apache},
	{"postfix-sasl", "Nov 29 11:59:58 h postfix/smtpd[1]: warning: unknown[203.0.113.5]: SASL @ authentication failed: UGFzc3dvcmQ6", printable},
	{"postfix-sasl", "Nov 29 11:59:58 h postfix/smtpd[1]: warning: unknown[203.0.113.5]: SASL LOGIN authentication failed: @", printable},
	{"postfix-sasl", "Nov 29 11:59:58 h postfix/smtpd[1]: warning: unknown[203.0.113.5]: SASL LOGIN authentication failed: authentication failure, sasl_username=@", printable},
	{"postfix-sasl", "Nov 29 11:59:58 h postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.5]: 554 5.7.1 <a@example.com>: Relay access denied; from=<@> to=<b> proto=ESMTP helo=<c>", printable},
	{"postfix-sasl", "<20>1 2026-11-30T16:15:52.627977+00:00 vm postfix 9 - -  4F1: warning: header Subject: @ from localhost[127.0.0.1]", printable},
	{"dovecot", "Nov 29 11:59:58 h dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<@>, method=PLAIN, rip=203.0.113.5, lip=198.51.100.7, TLS, session=<aB1+cd/e2fMAAAA=>", printable},
	{"dovecot", "Nov 29 11:59:58 imap-login: Info: Login aborted: Connection closed (auth failed, 1 attempts in 0 secs) (auth_failed): user=<@>, rip=203.0.113.5, lip=198.51.100.7", printable},
	{"dovecot", "Nov 29 11:59:58 h dovecot: imap-login: Login: user=<@>, method=PLAIN, rip=203.0.113.5, lip=198.51.100.7, mpid=9, TLS, session=<aB1+cd/e2fMAAAA=>", printable},
	{"dovecot", "Nov 29 11:59:58 h dovecot: imap(anna)<9><aB1+cd/e2fMAAAA=>: copy from INBOX: msgid=<@>", printable},
	{"vsftpd", `Sun Nov 29 11:59:58 2026 [pid 1] [@] FAIL LOGIN: Client "203.0.113.5"`, printable},
	{"vsftpd", `Sun Nov 29 11:59:58 2026 [pid 1] [ftp] FAIL LOGIN: Client "203.0.113.5", anon password "@"`, printable},
	{"vsftpd", `Sun Nov 29 11:59:58 2026 [pid 1] [anna] FAIL UPLOAD: Client "203.0.113.5", "/@", 0.00Kbyte/sec`, printable},
	{"vsftpd", `Nov 29 11:59:58 h vsftpd[1]: [@] FAIL LOGIN: Client "203.0.113.5"`, printable},
	{"haproxy", `Nov 29 11:59:58 h haproxy[1]: 203.0.113.5:51234 [29/Nov/2026:11:59:58.123] web app/one 0/0/1/12/13 404 211 - - ---- 2/2/0/0/0 0/0 "GET /@ HTTP/1.1"`, haproxied},
	{"haproxy", `Nov 29 11:59:58 h haproxy[1]: 203.0.113.5:51234 [29/Nov/2026:11:59:58.123] web app/one 0/0/1/12/13 200 211 - - ---- 2/2/0/0/0 0/0 {@|b} "GET / HTTP/1.1"`, haproxied},
	{"haproxy", `<134>Nov 30 16:16:27 haproxy[1]: 203.0.113.5:51234 [29/Nov/2026:11:59:58.123] web app/one 0/0/1/12/13 404 211 - - ---- 2/2/0/0/0 0/0 "GET /@ HTTP/1.1"`, haproxied},
	{"nginx-access", `@ 203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 400 153 "-" "curl"`, nginx},
	{"nginx-access", `<190>Nov 30 16:10:00 web1 nginx: @ 203.0.113.5 - - [30/Nov/2026:16:10:00 +0100] "GET /.env HTTP/1.1" 404 153 "-" "curl/8.5.0"`, nginx},
	{"apache-access", `@ 203.0.113.5 - @ [29/Nov/2026:12:00:00 +0100] "GET /.env HTTP/1.1" 400 153 "-" "curl"`, apache},
	{"nginx-error", `2026/11/29 11:59:58 [error] 812#812: *5 user "@": password mismatch, client: 203.0.113.5, server: s, request: "GET / HTTP/1.1", host: "h"`, printable},
	{"nginx-error", `2026/11/29 11:59:58 [error] 812#812: *5 user "a" was not found in "/etc/nginx/.htpasswd", client: 203.0.113.5, server: s, request: "@", host: "@", referrer: "@"`, printable},
	{"nginx-error", `2026/11/29 11:59:58 [error] 812#812: *5 open() "/var/www/html/@" failed (2: No such file or directory), client: 203.0.113.5, server: s, request: "GET /@ HTTP/1.1", host: "h"`, printable},
	{"nginx-error", `2026/11/29 11:59:58 [error] 812#812: *5 "/var/www/html/@/index.html" is not found (2: No such file or directory), client: 203.0.113.5, server: s, request: "@"`, printable},
	{"nginx-error", `2026/11/29 11:59:58 [error] 812#812: *5 upstream sent "@" while reading response header from upstream, client: 203.0.113.5, server: s, request: "@"`, printable},
	{"nginx-error", "<187>Nov 29 11:59:58 app: @", printable},
	{"apache-error", `[Sun Nov 29 11:59:58.123456 2026] [auth_basic:error] [pid 8:tid 1] [client 203.0.113.5:51234] AH01617: user @: authentication failure for "/@": Password Mismatch, referer: @`, apache},
	{"apache-error", `[Sun Nov 29 11:59:58.123456 2026] [php:notice] [pid 8] [client 203.0.113.5:51234] @`, apache},
	{"apache-error", `[Sun Nov 29 11:59:58.123456 2026] [rewrite:notice] [pid 8] @`, apache},
	{"apache-error", `[Sun Nov 29 11:59:58.123456 2026] [core:error] [pid 8] (36)File name too long: [client 203.0.113.5:51234] AH00036: access to /@ failed (filesystem path '/var/www/@')`, apache},
	{"apache-error", "Nov 29 11:59:58 h app[8]: @", apache},
	{"exim", "2026-11-29 11:59:58 login authenticator failed for (@) [203.0.113.5]: 535 Incorrect authentication data (set_id=anna)", printable},
	{"exim", "2026-11-29 11:59:58 login authenticator failed for h.example.net (mail) [203.0.113.5]:51234 I=[198.51.100.7]:25: 535 Incorrect authentication data (set_id=@)", printable},
	{"exim", "2026-11-29 11:59:58 login authenticator failed for (@) [203.0.113.5]: 535 Incorrect authentication data (set_id=@)", printable},
	{"exim", "2026-11-29 11:59:58 login authenticator failed for (@) [203.0.113.5] U=@: 535 Incorrect authentication data (set_id=@)", printable},
	{"exim", `2026-11-29 11:59:58 SMTP call from (@) [203.0.113.5] dropped: too many syntax or protocol errors (last command was "@", NULL)`, printable},
	{"exim", `2026-11-29 11:59:58 H=(@) [203.0.113.5] F=<@> rejected RCPT <@>: relay not permitted`, printable},
	{"exim", "Nov 29 11:59:58 h exim[8]: 2026-11-29 11:59:58 1aBcDe-000001-AB <= @ H=(@) [203.0.113.5] P=esmtp S=900 T=\"@\"", printable},
	{"sshd", "Nov 29 11:59:58.123456 h sshd[1]: Failed keyboard-interactive/pam for @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", "2026-11-29T11:59:58.123456+0100 h sshd[1]: Failed password for invalid user @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", "Sun 2026-11-29 11:59:58 UTC h sshd[1]: Failed password for @ from 203.0.113.5 port 51234 ssh2", printable},
	{"sshd", "Sun 2026-11-29 11:59:58 UTC h app[1]: @", printable},
	{"sshd", "Nov 29 11:59:58.123456 h app[1]: @", printable},
	{"sshd", "Nov 29 11:59:58 h sshd[1]: Protocol major versions differ for 203.0.113.5 port 51234: SSH-2.0-OpenSSH_7.9 vs. @", printable},
	{"openvpn", "2026-11-29 11:59:58 us=1 203.0.113.5:51234 peer info: IV_VER=@", printable},
	{"openvpn", "1764417598.123456 40 203.0.113.5:51234 VERIFY ERROR: depth=0, error=self-signed certificate: CN=@, serial=1", printable},
	{"dovecot", "2026-11-29 11:59:58 imap-login: Info: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<@>, method=PLAIN, rip=203.0.113.5, lip=198.51.100.7, TLS, session=<aB1+cd/e2fMAAAA=>", printable},
	{"openvpn", "Nov 29 11:59:58 openvpn[1]: 203.0.113.5:51234 TLS: Username/Password authentication succeeded for username '@'", printable},
	{"openvpn", "2026-11-29 11:59:58 203.0.113.5:51234 peer info: IV_VER=@", printable},
	{"openvpn", "2026-11-29 11:59:58 203.0.113.5:51234 VERIFY ERROR: depth=0, error=self-signed certificate: CN=@, serial=1", printable},
	{"openvpn", "2026-11-29 11:59:58 2001:db8::5 peer info: IV_VER=@", printable},
	{"openvpn", "Nov 29 11:59:58 h ovpn-server[1]: 203.0.113.5:51234 TLS: Username/Password authentication succeeded for username '@'", printable},
}

// honest is the source of every line of slots, and faked what stands in what the stranger writes.
var (
	honest = netip.MustParseAddr("203.0.113.5")
	faked  = "192.0.2.66"
)

// fill gives the line with a stranger's text in its slot.
func (s *slot) fill(text string) string { return strings.ReplaceAll(s.line, "@", s.write(text)) }

// names checks that a line with this text names no other source than the honest one.
func (s *slot) names(t *testing.T, p *Parser, text string) {
	t.Helper()
	var ev detect.Event
	line := s.fill(text)
	if err := p.Parse([]byte(line), noon, &ev); err == nil && ev.Src != honest && ev.Subtype != "http-ambiguous" { // which says that it may be another
		t.Fatalf("%s: %s: the source is %s (%s)", s.set, line, ev.Src, ev.Subtype)
	}
}

// without is tested with all texts of its characters.
func TestWithoutAText(t *testing.T) {
	re := regexp.MustCompile(`^` + without(": 5 ") + `$`)
	texts := []string{""}
	for range 8 { // up to seven characters: a text that is begun twice
		for _, text := range texts {
			if re.MatchString(text) == strings.Contains(text, ": 5 ") {
				t.Fatalf("%q: %t", text, re.MatchString(text))
			}
		}
		var longer []string
		for _, text := range texts {
			for _, c := range ": 5x" {
				longer = append(longer, text+string(c))
			}
		}
		texts = longer
	}
}

// A stranger's text that holds any part of any message never names another source.
func TestNoStrangerNamesTheSource(t *testing.T) {
	parts := map[string][]string{}
	for _, set := range Sets() {
		for _, s := range samplesOf(t, set) {
			text := strings.NewReplacer("203.0.113.5", faked, "2001:db8::5", faked).Replace(s.line)
			var ends []int
			for i := range len(text) {
				if strings.IndexByte(` "<>[],:=`, text[i]) >= 0 {
					ends = append(ends, i, i+1)
				}
			}
			ends = slices.Compact(append(ends, 0, len(text)))
			slices.Sort(ends)
			for i, from := range ends {
				for _, to := range ends[i+1:] {
					part := text[from:to]
					if at := strings.Index(part, faked); at >= 0 && (to == len(text) || len(part) < at+len(faked)+30) {
						parts[set] = append(parts[set], part)
					}
				}
			}
		}
	}
	for set := range parts {
		slices.Sort(parts[set])
		parts[set] = slices.Compact(parts[set])
	}
	for i := range slots {
		s := &slots[i]
		p := parserOf(t, s.set)
		var ev detect.Event
		if err := p.Parse([]byte(s.fill("anna")), noon, &ev); err == nil && ev.Src != honest {
			t.Fatalf("%s: %v", s.line, ev.Src)
		}
		for n, part := range parts[s.set] {
			s.names(t, p, part)
			if (n+i)%4 == 0 { // a part that begins or ends elsewhere is mostly another one
				s.names(t, p, []string{"x" + part, part + "x"}[n/4%2])
			}
		}
	}
}

// FuzzSlots is the same with any text.
func FuzzSlots(f *testing.F) {
	parsers := map[string]*Parser{}
	for _, set := range Sets() {
		parsers[set] = parserOf(f, set)
	}
	for i, s := range slots {
		f.Add(i, strings.ReplaceAll(s.line, honest.String(), faked))
		f.Add(i, " from "+faked+" port 22 ssh2")
		f.Add(i, `> rip=`+faked+`, session=<`)
		f.Add(i, `] FAIL LOGIN: Client "`+faked+`"`)
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		s := &slots[uint(i)%uint(len(slots))]
		if strings.ContainsAny(text, "\n\r") || strings.Contains(s.fill(text), "\n") {
			return
		}
		s.names(t, parsers[s.set], text)
	})
}
