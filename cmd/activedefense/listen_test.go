package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/trouble"
)

// received is the line of a served session that only its source port tells from others; each is one record.
func received(i int) string {
	return fmt.Sprintf("<14>Nov 29 12:00:00 LAB-FW-01 SrcLocation=Netherlands; SrcIP=203.0.113.10; SrcPort=%d; SrcUser=; DstLocation=Australia; DstIP=198.51.100.7; DstPort=443; Action=allow; "+
		"RuleName=web; RuleID=; TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=end; Type=TRAFFIC;\n", i, time.Now().UTC().Format("2006/01/02 15:04:05"))
}

// What a listener has spooled is recorded once, and only once, over kill -9, a reload and a spool that is smaller than what is sent; what was stored goes from it.
func TestWhatAListenerReceivesIsRecordedOnce(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel() // it waits for processes
			w := newWorld(t, database, "")
			address := freePort(t)
			text, err := os.ReadFile(w.config)
			if err != nil {
				t.Fatal(err)
			}
			inputs := fmt.Sprintf("inputs: [{path: %s/logs/*.log}, {listen: \"tcp://%s\", allow: [127.0.0.0/8], spool_size: 1MB, timezone: UTC}]", w.dir, address)
			w.write(w.config, bytes.Replace(text, fmt.Appendf(nil, "inputs: [{path: %s/logs/*.log, timezone: UTC}]", w.dir), []byte(inputs), 1))
			d := w.start()
			ready := func() { w.until("it is ready", func() bool { s := w.status(); return s != nil && s.Ready }) }
			ready()
			sent := 0
			// batch sends some, and waits until all of it is spooled: until our side is closed by the other one.
			batch := func(n int) {
				t.Helper()
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for range n {
					if _, err := conn.Write([]byte(received(sent))); err != nil {
						t.Fatal(err)
					}
					sent++
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Fatalf("%d bytes, %v", n, err)
				}
			}
			for range 2 {
				batch(2000)
				d.kill()
				d = w.start()
				ready()
			}
			// A connection goes on over a reload, in the middle of a line.
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			line := received(sent)
			sent++
			loaded := w.status().Configuration.LoadedAt
			if _, err := conn.Write([]byte(line[:100])); err != nil {
				t.Fatal(err)
			}
			d.hangup()
			if _, err := conn.Write([]byte(line[100:])); err != nil {
				t.Fatal(err)
			}
			w.until("the configuration is read again", func() bool { s := w.status(); return s != nil && s.Ready && s.Configuration.LoadedAt.After(loaded) })
			batch(1000)
			w.until("what was stored goes from the spool", func() bool {
				s := w.status()
				return s != nil && len(s.Listeners) == 1 && s.Listeners[0].Spooled < 500_000 && s.Files.Behind == 0 && s.Unstored == 0
			})
			w.until("each is recorded", func() bool {
				stdout, stderr, code := w.run("records", "--src", "203.0.113.10", "--limit", "100000", "--format", "csv")
				if code != 0 {
					t.Fatal(stderr)
				}
				ports, rows := map[string]int{}, strings.Split(strings.TrimSpace(stdout), "\n")[1:]
				for _, row := range rows {
					port := strings.Split(row, ",")[3]
					if ports[port]++; ports[port] > 1 {
						t.Fatalf("%s is recorded %d times", port, ports[port])
					}
				}
				return len(ports) == sent
			})
			if s := w.status(); s.FilesLost != 0 || s.Files.Bad != 0 || s.Listeners[0].Dropped+s.Listeners[0].Broken != 0 {
				t.Errorf("%+v, %d files are lost, %+v", s.Listeners[0], s.FilesLost, s.Files)
			}
			if sealed, _ := filepath.Glob(filepath.Join(w.dir, "state", "spool", "*", "*.log.*")); len(sealed) > 8 {
				t.Errorf("%d sealed files are left", len(sealed))
			}
		})
	}
}

// What an input had received when it was taken out of the configuration is recorded as that had it read, over a restart; then nothing of it is left.
func TestWhatAListenerHadReceivedIsRecordedWithoutIt(t *testing.T) {
	t.Parallel() // it waits for processes
	w := newWorld(t, "sqlite", "")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	before := fmt.Appendf(nil, "inputs: [{path: %s/logs/*.log, timezone: UTC}]", w.dir)
	listening := fmt.Appendf(nil, "inputs: [{listen: \"tcp://%s\", allow: [127.0.0.0/8], format: pattern, patterns: sshd, device: gate, timezone: UTC}]", address)
	w.write(w.config, bytes.Replace(text, before, listening, 1))
	failed := func(port int) string {
		return fmt.Sprintf("<38>%s host sshd[1]: Failed password for root from 203.0.113.10 port %d ssh2\n", time.Now().UTC().Format(time.Stamp), port)
	}
	d := w.start()
	w.until("it listens", func() bool { s := w.status(); return s != nil && s.Ready && len(s.Listeners) == 1 })
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(failed(1000))); err != nil {
		t.Fatal(err)
	}
	w.until("one is stored", func() bool { s := w.status(); return s != nil && s.Stored == 1 })
	d.stop()
	// This it had not read when it ended.
	folders, err := filepath.Glob(filepath.Join(w.dir, "state", "spool", "tcp-127.0.0.1-"+address[strings.LastIndex(address, ":")+1:]+".*"))
	if err != nil || len(folders) != 1 {
		t.Fatal(folders, err)
	}
	folder := folders[0]
	spool, err := os.OpenFile(filepath.Join(folder, "127.0.0.1.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for port := 1001; port < 1100; port++ {
		if _, err := spool.WriteString(failed(port)); err != nil {
			t.Fatal(err)
		}
	}
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
	w.write(w.config, text)
	w.start()
	w.until("the folder is removed", func() bool { _, err := os.Stat(folder); return os.IsNotExist(err) })
	stdout, stderr, code := w.run("records", "--src", "203.0.113.10", "--device", "gate", "--type", "LOG", "--limit", "1000", "--format", "csv")
	if rows := strings.Split(strings.TrimSpace(stdout), "\n"); code != 0 || len(rows) != 101 {
		t.Errorf("%d rows, want 100 behind the head: %s%.500s", len(rows), stderr, stdout)
	}
	w.until("nothing of it is told", func() bool {
		s := w.status()
		return s != nil && s.Ready && len(s.Heard) == 1 && !slices.ContainsFunc(s.Troubles, func(t trouble.Trouble) bool { return strings.Contains(t.What, "spool") })
	})
}
