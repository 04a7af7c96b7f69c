package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// peers has the same done by other programs that do a part of it, as far as they are installed.
func (b *bench) peers(ctx context.Context) {
	for i, p := range []struct {
		program string
		do      func(context.Context, string, float64) error
	}{{"mawk", b.mawk}, {"fail2ban-regex", b.fail2ban}, {"victoria-logs", b.victoria}} {
		path, err := exec.LookPath(p.program)
		switch {
		case !b.compare:
			b.reasons[p.program] = "no --compare"
		case err != nil:
			b.reasons[p.program] = "not in PATH"
		default:
			b.part(ctx, p.program, "beside "+path, func(ctx context.Context) error { return p.do(ctx, path, postgresUntil+float64(i+1)*eachPeerLonger) })
		}
	}
}

// mawk counts the distinct ports by source and destination, and nothing else, beside a replay of the same lines.
func (b *bench) mawk(ctx context.Context, program string, until float64) error {
	const count = `{k = $2 $6; if (!((k $7) in s)) { s[k $7] = 1; if (++c[k] > 10) b[$2] = 1 } } END { for (x in b) print x }`
	h, err := b.newHome("", nil)
	if err != nil {
		return err
	}
	return b.rounds("rounds of mawk", b.runs, until, func(int) error {
		ours, err := timed(exec.CommandContext(ctx, b.program, "--config", h.config, "replay", "--summary", b.file))
		if err != nil {
			return err
		}
		theirs, err := timed(exec.CommandContext(ctx, program, "-F; ", count, b.file))
		if err != nil {
			return err
		}
		b.note("times mawk", theirs/ours)
		return nil
	})
}

// fail2ban reads a log of sshd with its own filter, beside a replay of it with our patterns for the same.
func (b *bench) fail2ban(ctx context.Context, program string, until float64) error {
	const n = 20_000
	path := filepath.Join(b.dir, "auth.log")
	if err := writeAuth(path, n, b.log.end); err != nil {
		return err
	}
	h, err := b.newHome("", nil)
	if err != nil {
		return err
	}
	const ours = "inputs: [{path: %q, timezone: UTC, format: pattern, patterns: sshd}]\nstate_dir: %q\nedl: {listen: \"\"}\n"
	if err := os.WriteFile(h.config, fmt.Appendf(nil, ours, path, filepath.Join(h.dir, "state")), 0o600); err != nil {
		return err
	}
	return b.rounds("rounds of fail2ban-regex", b.runs, until, func(int) error {
		took, err := timed(exec.CommandContext(ctx, b.program, "--config", h.config, "replay", "--summary", path))
		if err != nil {
			return err
		}
		theirs, err := timed(exec.CommandContext(ctx, program, "--print-no-missed", path, "sshd"))
		if err != nil {
			return err
		}
		b.note("fail2ban", n/theirs)
		b.note("times fail2ban", theirs/took)
		return nil
	})
}

// writeAuth makes a log of sshd, every second line of which is a failed password.
func writeAuth(path string, n int, end time.Time) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	for i := range n {
		what := fmt.Sprintf("Failed password for invalid user admin from 203.0.%d.%d port %d ssh2", i/250%250, 1+i%250, 1024+i%60_000)
		if i%2 == 0 {
			what = "pam_unix(sshd:session): session opened for user anna(uid=1000) by (uid=0)"
		}
		fmt.Fprintf(out, "%s bastion sshd[%d]: %s\n", end.Add(time.Duration(i-n)*10*time.Millisecond).Format("Jan _2 15:04:05"), 1000+i%30_000, what)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// victoria has VictoriaLogs keep the same records, beside a daemon that reads them from the log; then it looks at its searches and, when it
// has ended, at its room on the disk.
func (b *bench) victoria(ctx context.Context, program string, until float64) error {
	return b.rounds("rounds of VictoriaLogs", b.runs, until, func(int) error {
		h, err := b.catchUp(ctx, "", b.file, b.lines, "beside victoria")
		if err != nil {
			return err
		}
		if err := os.RemoveAll(h.dir); err != nil {
			return err
		}
		return b.victoriaOnce(ctx, program)
	})
}

func (b *bench) victoriaOnce(ctx context.Context, program string) error {
	dir, err := os.MkdirTemp(b.dir, "victoria-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, err := freeAddress()
	if err != nil {
		return err
	}
	d, err := begin(exec.Command(program, "-storageDataPath="+dir, "-httpListenAddr="+address, "-retentionPeriod=100y", "-loggerLevel=ERROR"))
	if err != nil {
		return err
	}
	defer d.kill()
	base := "http://" + address
	if err := d.until(ctx, "VictoriaLogs serves", patience, func() bool { return answers(ctx, base+"/health") }); err != nil {
		return err
	}
	took, err := b.insertVictoria(ctx, base+"/insert/jsonline?_stream_fields=device&_time_field=time&_msg_field=rule")
	if err != nil {
		return err
	}
	began, all := time.Now(), fmt.Sprintf(`"%d"`, b.lines)
	if err := d.until(ctx, "VictoriaLogs has all records", patience, func() bool {
		status, body, err := get(ctx, base+"/select/logsql/query?query="+url.QueryEscape("* | count() n"))
		return err == nil && status == http.StatusOK && bytes.Contains(body, []byte(all))
	}); err != nil {
		return err
	}
	b.note("victoria", float64(b.lines)/(took+time.Since(began)).Seconds())
	slowest := 0.0
	for _, f := range rareFields {
		began := time.Now()
		status, body, err := get(ctx, base+"/select/logsql/query?limit=100&query="+url.QueryEscape(fmt.Sprintf("%s:=%q", f.name, f.value)))
		if n := bytes.Count(body, []byte("\n")); err != nil || status != http.StatusOK || n != rare {
			return fmt.Errorf("VictoriaLogs finds %d records by %s: status %d: %w", n, f.name, status, err)
		}
		slowest = max(slowest, time.Since(began).Seconds()*1000)
	}
	b.note("victoria search", slowest)
	if err := d.stop(); err != nil { // until then it has some in memory
		return err
	}
	b.note("victoria bytes", onDisk(dir)/float64(b.lines))
	return nil
}

// insertVictoria gives VictoriaLogs the records, 10,000 at a time, and tells how long it took to take them; its clock stands still while they
// are made.
func (b *bench) insertVictoria(ctx context.Context, to string) (took time.Duration, err error) {
	f, err := os.Open(b.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	parser := panos.New(panos.Options{Location: time.UTC})
	in, body, at := newLines(f, 0), []byte(nil), time.Now()
	for i := range b.lines {
		line, err := in.next()
		if err != nil {
			return 0, err
		}
		var ev detect.Event
		if err := parser.Parse(line, at, &ev); err != nil {
			return 0, err
		}
		record, err := json.Marshal(map[string]any{"time": ev.Time, "device": ev.Device, "src": ev.Src, "dst": ev.Dst, "src_port": ev.SrcPort, "dst_port": ev.DstPort, "user": ev.SrcUser,
			"src_country": ev.SrcCountry, "dst_country": ev.DstCountry, "action": ev.Action, "rule": ev.Rule, "rule_id": ev.RuleID, "subtype": ev.Subtype, "type": ev.Type.String(), "file_offset": in.at})
		if err != nil {
			return 0, err
		}
		if body = append(append(body, record...), '\n'); (i+1)%10_000 != 0 && i+1 != b.lines {
			continue
		}
		began := time.Now()
		if err := post(ctx, to, body); err != nil {
			return 0, err
		}
		took, body = took+time.Since(began), body[:0]
	}
	return took, nil
}

// post sends something that is answered by 200 and nothing to read.
func post(ctx context.Context, to string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", to, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body) // so that the connection is used again
	return err
}
