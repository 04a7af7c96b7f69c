package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// exampleLogs are what the examples' rules are about, by the path below /var/log: of each source so many lines as its rule asks for, and of another one
// less.
func exampleLogs() map[string]string {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	logs := map[string]string{}
	add := func(path, source string, n int, line func(at time.Time, source string, i int) string) {
		for i := range n {
			logs[path] += line(at.Add(time.Duration(i)*time.Minute), source, i)
		}
	}
	syslog := func(format string) func(time.Time, string, int) string {
		return func(at time.Time, source string, i int) string {
			return at.Format("Jan _2 15:04:05") + " host " + strings.NewReplacer("USER", fmt.Sprint("user", i), "SOURCE", source).Replace(format) + "\n"
		}
	}
	web := func(user, request, status string) func(time.Time, string, int) string {
		return func(at time.Time, source string, _ int) string {
			return fmt.Sprintf("%s - %s [%s] \"%s HTTP/1.1\" %s 12 \"-\" \"-\"\n", source, user, at.Format("02/Jan/2006:15:04:05 -0700"), request, status)
		}
	}
	failed := syslog("sshd[7]: Failed password for invalid user USER from SOURCE port 50000 ssh2")
	add("auth.log", "203.0.113.1", 5, failed)
	add("auth.log", "203.0.113.101", 4, failed)
	invalid := syslog("sshd[7]: Invalid user USER from SOURCE port 50000") // a host without passwords logs no more
	add("auth.log", "203.0.113.9", 5, invalid)
	add("auth.log", "203.0.113.109", 4, invalid)
	add("nginx/access.log", "203.0.113.2", 5, web("anna", "GET /", "401"))
	add("nginx/access.log", "203.0.113.102", 4, web("anna", "GET /", "401"))
	add("nginx/access.log", "203.0.113.3", 2, web("-", "GET /.env", "404"))
	add("nginx/access.log", "203.0.113.103", 1, web("-", "GET /index.htm", "404"))
	add("nginx/access.log", "203.0.113.20", 2, web("a - b", "GET /.env", "200"))
	add("nginx/access.log", "203.0.113.21", 2, web("-", "GET /.e%6ev", "200"))
	add("apache2/access.log", "203.0.113.4", 5, web("anna", "GET /", "401"))
	add("apache2/access.log", "203.0.113.102", 4, web("anna", "GET /", "401"))
	add("apache2/access.log", "203.0.113.10", 3, web("-", "POST /wp-login.php", "200"))
	add("apache2/access.log", "203.0.113.10", 2, web("-", "POST /wp-login.php/x", "200"))
	add("apache2/access.log", "203.0.113.12", 5, web("-", "POST //wp-login.php", "200")) // who appends to a site's address that ends in a slash
	add("nginx/access.log", "203.0.113.13", 5, web("-", "POST //xmlrpc.php", "200"))
	add("apache2/access.log", "203.0.113.14", 5, web("-", "POST /wp%2dlogin.php", "200"))
	add("apache2/access.log", "203.0.113.15", 3, web("-", "POST //wp-login.php", "403"))
	add("apache2/access.log", "203.0.113.15", 2, web("-", "POST /xmlrpc.php", "404"))
	add("apache2/access.log", "203.0.113.115", 4, web("-", "POST /xmlrpc.php", "403"))
	add("apache2/access.log", "203.0.113.110", 4, web("-", "POST /wp-login.php", "200"))
	add("apache2/access.log", "203.0.113.110", 1, web("-", "POST /wp-login.php", "302")) // who knew it at last
	add("nginx/access.log", "203.0.113.11", 3, web("-", "POST /xmlrpc.php", "200"))
	add("apache2/access.log", "203.0.113.11", 2, web("-", "POST /wp-login.php?redirect_to=%2F", "200"))
	add("mail.log", "203.0.113.5", 5, syslog("postfix/smtpd[7]: warning: unknown[SOURCE]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"))
	add("mail.log", "203.0.113.6", 5, syslog("dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<USER>, method=PLAIN, rip=SOURCE, lip=198.51.100.7, TLS, session=<aB1+>"))
	// Four in one log and five in another, of nine users: no jail acts, and one rule tells.
	for i := range 9 {
		path, format := "auth.log", "sshd[7]: Failed password for invalid user USER from SOURCE port 50000 ssh2"
		if i%2 == 0 {
			path, format = "mail.log", "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<USER>, method=PLAIN, rip=SOURCE, lip=198.51.100.7, session=<aB1+>"
		}
		logs[path] += syslog(format)(at.Add(time.Duration(i)*5*time.Minute), "203.0.113.7", i)
	}
	query := syslog("dnsmasq[7]: query[A] example.com from SOURCE")
	add("dns.log", "203.0.113.8", 60, query)
	add("dns.log", "203.0.113.108", 59, query)
	return logs
}

// The examples for those who come from fail2ban and Log2table are valid, and do what their comments say.
func TestExamplesOfRulesDoWhatTheySay(t *testing.T) {
	for name, want := range map[string]string{
		"fail2ban.yaml": "203.0.113.1 sshd blocked, 203.0.113.10 wordpress blocked, 203.0.113.11 wordpress blocked, 203.0.113.12 wordpress blocked, 203.0.113.13 wordpress blocked, 203.0.113.14 wordpress blocked, 203.0.113.15 wordpress-refused blocked, 203.0.113.2 nginx-http-auth blocked, 203.0.113.20 nginx-botsearch blocked, 203.0.113.21 nginx-botsearch blocked, 203.0.113.3 nginx-botsearch blocked, 203.0.113.4 apache-auth blocked, " +
			"203.0.113.5 postfix-sasl blocked, 203.0.113.6 dovecot blocked, 203.0.113.7 many-users notice, 203.0.113.9 sshd blocked",
		"log2table.yaml": "203.0.113.1 hacker blocked, 203.0.113.101 hacker blocked, 203.0.113.20 hacker blocked, 203.0.113.21 hacker blocked, 203.0.113.3 hacker blocked, 203.0.113.7 hacker blocked, 203.0.113.8 wifi-temp blocked",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "sqlite", "")
			example, err := os.ReadFile(filepath.Join(root, "config", "examples", name))
			if err != nil {
				t.Fatal(err)
			}
			w.write(w.config, []byte("state_dir: "+w.dir+"/state\n"+strings.ReplaceAll(string(example), "/var/log/", w.dir+"/")))
			var files []string
			for path, lines := range exampleLogs() {
				if !strings.Contains(string(example), path) {
					continue
				}
				file := filepath.Join(w.dir, path)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				w.write(file, []byte(lines))
				files = append(files, file)
			}
			if stdout, stderr, code := w.run("check"); code != 0 {
				t.Fatalf("exit status %d, %s%s", code, stdout, stderr)
			}
			var got []string
			for _, v := range jsonLines[replayJSON](w, append([]string{"replay"}, files...)...) {
				got = append(got, v.Address+" "+v.Rule+" "+v.State)
			}
			if slices.Sort(got); strings.Join(got, ", ") != want {
				t.Errorf("%s\nwant %s", strings.Join(got, ", "), want)
			}
		})
	}
}
