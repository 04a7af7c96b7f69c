package pattern

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"activedefense/detect"
)

// hundred are the patterns of sshd and as many of other programs as make a hundred.
func hundred(tb testing.TB) *Set {
	patterns, _ := Named("sshd")
	for i := len(patterns); i < 100; i++ {
		patterns = append(patterns, Pattern{Event: fmt.Sprintf("refused-%d", i),
			Regexp: syslog(fmt.Sprintf("program%d", i)) + fmt.Sprintf(`authentication failure %d; user=(?P<src_user>.*) rhost=(?P<src>\S+)$`, i%7)})
	}
	return setOf(tb, patterns...)
}

// authLog is a log like auth.log, of which half is taken.
func authLog(lines int) []byte {
	var b bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&b, "Nov 29 %02d:%02d:%02d bastion ", i/3600%24, i/60%60, i%60)
		switch address := fmt.Sprintf("203.0.%d.%d", 113+i/256%64, i%256); i % 10 {
		case 0, 1, 2:
			fmt.Fprintf(&b, "sshd[%d]: Failed password for invalid user user%d from %s port %d ssh2\n", 1000+i%30000, i%500, address, 1024+i%60000)
		case 3:
			fmt.Fprintf(&b, "sshd[%d]: Invalid user user%d from %s port %d\n", 1000+i%30000, i%500, address, 1024+i%60000)
		case 4:
			fmt.Fprintf(&b, "sshd[%d]: Connection closed by invalid user user%d %s port %d [preauth]\n", 1000+i%30000, i%500, address, 1024+i%60000)
		case 5:
			fmt.Fprintf(&b, "sshd[%d]: pam_unix(sshd:auth): check pass; user unknown\n", 1000+i%30000)
		case 6:
			fmt.Fprintf(&b, "sshd[%d]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s \n", 1000+i%30000, address)
		case 7:
			fmt.Fprintf(&b, "CRON[%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n", 1000+i%30000)
		case 8:
			fmt.Fprintf(&b, "systemd-logind[512]: New session %d of user anna.\n", i)
		case 9:
			fmt.Fprintf(&b, "sudo:     anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND=/usr/bin/apt update\n")
		}
	}
	return b.Bytes()
}

// BenchmarkHundredPatterns is the cost of a line of auth.log with a hundred patterns, in processor time. With BENCH_AUTH_LOG=FILE it writes the log of a hundred
// thousand lines there and, beside it in FILE.conf, the patterns as a filter of fail2ban: for fail2ban-regex over the same lines.
func BenchmarkHundredPatterns(b *testing.B) {
	s, lines := hundred(b), bytes.Split(bytes.TrimSpace(authLog(100_000)), []byte("\n"))
	if path := os.Getenv("BENCH_AUTH_LOG"); path != "" {
		writeForFail2ban(b, path, s)
	}
	p := New(s, Options{Location: time.UTC})
	var ev detect.Event
	taken, n := 0, 0
	before := processorTime(b)
	b.ReportAllocs()
	for b.Loop() {
		if p.Parse(lines[n%len(lines)], noon, &ev) == nil {
			taken++
		}
		n++
	}
	b.ReportMetric(float64(n)/(processorTime(b)-before).Seconds(), "lines/s")
	b.ReportMetric(float64(taken)/float64(n), "taken/line")
}

func processorTime(tb testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Groups as fail2ban has them: the source is its host, and the others are of no name.
var (
	sourceGroup = regexp.MustCompile(`\(\?P<src>[^()]+\)`)
	otherGroup  = regexp.MustCompile(`\(\?P<\w+>`)
)

func writeForFail2ban(b *testing.B, path string, s *Set) {
	const tagEnds = `(?:\[\d+\])?: ))`
	named, _ := Named("sshd")
	var filter strings.Builder
	filter.WriteString("[Definition]\nfailregex =")
	for i := range s.Len() {
		_, text, found := strings.Cut(s.At(i).Regexp, tagEnds)
		if !found {
			b.Fatalf("no %s in %s", tagEnds, s.At(i).Regexp)
		}
		text = otherGroup.ReplaceAllString(sourceGroup.ReplaceAllString(text, "<HOST>"), "(?:")
		program := `sshd(?:-session|-auth)?`
		if i >= len(named) {
			program = fmt.Sprintf("program%d", i)
		}
		filter.WriteString("\n            ^\\s*\\S+ " + program + `\[\d+\]: ` + strings.ReplaceAll(text, "%", "%%"))
	}
	for name, content := range map[string][]byte{path: authLog(100_000), path + ".conf": []byte(filter.String() + "\n")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}
