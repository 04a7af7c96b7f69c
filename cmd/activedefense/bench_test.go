package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/firewall/panosim/userid"
	"activedefense/store"
)

// Two crowds of sources that are no attackers: regulars, who come back again and again to the same one or
// two services, and strangers, of whom hardly one is seen twice.
const (
	regulars  = 200_000
	strangers = 40_000_000
)

// backgroundLine is one of the lines that are not an attack, from one of so many sources.
func backgroundLine(i int, at time.Time, sources uint32, random *rand.Rand) []byte {
	ports := [...]int{22, 23, 80, 443, 445, 3389, 8080}
	n := random.Uint32N(sources)
	service := n + random.Uint32N(2)
	return fmt.Appendf(nil, "%s LAB-FW-01 SrcLocation=United States; SrcIP=%d.%d.%d.%d; SrcPort=%d; SrcUser=; DstLocation=Australia; DstIP=198.51.100.%d; DstPort=%d; "+
		"Action=drop; RuleName=Active Defense sensor; RuleID=6f3c2a91-8b7e-4f64-9d3a-1f2e3d4c5b6a; TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;\n",
		at.Format(time.RFC3339), 20+n%80, n/80%50, n/4000%200, 1+n/800_000, 1024+i%60000, 1+service%250, ports[service%uint32(len(ports))],
		at.Format("2006/01/02 15:04:05"))
}

// clientLine is one of a firewall that logs all sessions, comma-separated: of ten lines six are sessions of ours, to few of very many
// servers, three are visits, and one is refused.
func clientLine(i int, at time.Time, random *rand.Rand, popular *rand.Zipf) []byte {
	n := uint32(popular.Uint64())
	outside := fmt.Sprintf("%d.%d.%d.%d", 20+n%80, n/80%50, n/4000%200, 1+n/800_000)
	src, dst, nat, action, subtype, app, end := outside, fmt.Sprintf("198.51.100.%d", 10+n%8), "0.0.0.0,0.0.0.0", "allow", "end", "web-browsing", "tcp-fin"
	port, received := uint32(443), 9000
	switch kind := random.IntN(10); {
	case kind < 6:
		src, dst, nat = fmt.Sprintf("10.1.%d.%d", random.IntN(8), 1+random.IntN(250)), outside, "198.51.100.5,"+outside
	case kind == 9:
		n = random.Uint32N(2_000_000)
		src = fmt.Sprintf("%d.%d.%d.%d", 100+n%80, 50+n/80%50, n/4000%200, 1+n/800_000)
		action, subtype, app, end, port, received = "drop", "drop", "not-applicable", "policy-deny", 1+n%10_000, 0
	}
	stamp := at.Format("2006/01/02 15:04:05")
	return fmt.Appendf(nil, "%s LAB-FW-01 1,%s,001234567890,TRAFFIC,%s,2560,%s,%s,%s,%s,clients,,,%s,vsys1,trust,untrust,ethernet1/1,ethernet1/2,"+
		"forward,%s,%d,1,%d,%d,%d,%d,0x400019,tcp,%s,%d,1000,%d,22,%s,5,any,0,%d,0x0,United States,Australia,0,10,%d,%s,0,0,0,0,,LAB-FW-01,"+
		"from-policy,,,0,,0,,N/A,0,0,0,0,6f3c2a91-8b7e-4f64-9d3a-1f2e3d4c5b6a,0,0,,,,,,,\n",
		at.Format(time.Stamp), stamp, subtype, stamp, src, dst, nat, app, stamp, 100_000+i, 1024+i%60_000, port, 1024+i*7%60_000, port, action,
		1000+received, received, stamp, 7_000_000+i, received/750, end)
}

// writeLog makes a file of n background lines, 2,000 to a second of event time, that end now.
func writeLog(b *testing.B, path string, n int, sources uint32) {
	b.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 1))
	writeLines(b, path, n, func(i int, at time.Time) []byte { return backgroundLine(i, at, sources, random) })
}

// writeClients does so with lines of a firewall that logs all sessions.
func writeClients(b *testing.B, path string, n int) {
	b.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 2))
	popular := rand.NewZipf(random, 1.1, 8, 200_000-1)
	writeLines(b, path, n, func(i int, at time.Time) []byte { return clientLine(i, at, random, popular) })
}

func writeLines(b *testing.B, path string, n int, line func(i int, at time.Time) []byte) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	begin := time.Now().UTC().Add(-time.Duration(n/2000) * time.Second)
	for i := range n {
		out.Write(line(i, begin.Add(time.Duration(i/2000)*time.Second)))
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLineToTag is the time from writing the line that completes a scan to its tag standing on the
// firewall, with 2,000 background lines a second, on SQLite and on PostgreSQL.
func BenchmarkLineToTag(b *testing.B) {
	for _, database := range stores {
		b.Run(database, func(b *testing.B) { lineToTag(b, database) })
	}
}

func lineToTag(b *testing.B, database string) {
	tagged := make(chan userid.Change, 1000)
	w := newWorldWith(b, database, "", func(c userid.Change) { tagged <- c })
	w.append(nil)
	w.start()
	w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
	log, err := os.OpenFile(w.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	stop, stopped, written := make(chan struct{}), make(chan struct{}), atomic.Int64{}
	go func() {
		defer close(stopped)
		random := rand.New(rand.NewPCG(1, 1))
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; {
			select {
			case <-stop:
				return
			case <-ticker.C:
				for range 10 {
					log.Write(backgroundLine(i, time.Now().UTC(), strangers, random))
					i++
				}
				written.Store(int64(i))
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	var took []time.Duration
	begun := time.Now()
	for i := 0; b.Loop(); i++ {
		src := fmt.Sprintf("203.0.%d.%d", 100+i/250, 1+i%250)
		now := time.Now().UTC()
		var lines []byte
		for k := range testPorts {
			lines = append(lines, sample{at: now, src: src, dst: "198.51.100.7", port: 1000 + k, typ: "TRAFFIC", subtype: "drop"}.line()...)
		}
		log.Write(lines)
		last := sample{at: now, src: src, dst: "198.51.100.7", port: 5000, typ: "TRAFFIC", subtype: "drop"}.line()
		wrote := time.Now()
		log.Write(last)
		for c := range tagged {
			if c.Address.Addr().String() == src {
				took = append(took, c.Time.Sub(wrote))
				break
			}
		}
	}
	passed := time.Since(begun)
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.95), "p95-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(float64(written.Load())/passed.Seconds(), "background-lines/s")
}

// BenchmarkCatchUp is the daemon reading a million lines and keeping all records, and beside it, in the
// same run, the bare driver writing the same rows into the same table of a second database.
func BenchmarkCatchUp(b *testing.B) {
	const lines = 1_000_000
	for _, database := range stores {
		b.Run(database, func(b *testing.B) {
			var ours, bare time.Duration
			for b.Loop() {
				w := newWorld(b, database, "")
				writeLog(b, w.log, lines, strangers)
				begun := time.Now()
				d := w.start()
				w.until("all is stored", func() bool { s := w.status(); return s != nil && len(s.Inputs) > 0 && s.Stored == lines })
				ours += time.Since(begun)
				d.stop()
				bare += bareWrite(b, database, w.log)
			}
			n := float64(b.N * lines)
			b.ReportMetric(n/ours.Seconds(), "lines/s")
			b.ReportMetric(n/bare.Seconds(), "bare-rows/s")
			b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
		})
	}
}

const recordColumns = "id, time, agent, device, src, dst, src_port, dst_port, src_user, src_country, dst_country, action, rule, rule_id, " +
	"threat_name, threat_id, severity, subtype, type, direction, repeat, file, file_offset"

// bareWrite writes the rows of a log with nothing but the driver; parsing is not timed.
func bareWrite(b *testing.B, database, log string) time.Duration {
	ctx := context.Background()
	opts := store.Options{Path: filepath.Join(b.TempDir(), "bare.db")}
	if database == "postgresql" {
		opts.URL = newDatabase(b)
	}
	st, err := store.Open(ctx, opts) // makes the table
	if err != nil {
		b.Fatal(err)
	}
	// One record makes PostgreSQL's partitions; its id is out of the way.
	if _, err := st.Commit(ctx, &store.Batch{Records: []store.Record{{Time: time.Now()}}}); err != nil {
		b.Fatal(err)
	}
	st.Close()
	rows := rowsOf(b, log, database == "postgresql")
	if database == "postgresql" {
		return bareCopy(b, ctx, opts.URL, rows)
	}
	return bareInsert(b, ctx, opts.Path, rows)
}

const bareBatch = 5000

func bareInsert(b *testing.B, ctx context.Context, path string, rows [][]any) time.Duration {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	insert := "INSERT INTO records (" + recordColumns + ") VALUES (?" + strings.Repeat(", ?", strings.Count(recordColumns, ",")) + ")"
	begun := time.Now()
	for some := range slices.Chunk(rows, bareBatch) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		statement, err := tx.Prepare(insert)
		if err != nil {
			b.Fatal(err)
		}
		for _, row := range some {
			if _, err := statement.Exec(row...); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}

func bareCopy(b *testing.B, ctx context.Context, url string, rows [][]any) time.Duration {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	begun := time.Now()
	for some := range slices.Chunk(rows, bareBatch) {
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"records"}, strings.Split(recordColumns, ", "), pgx.CopyFromRows(some)); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}

// rowsOf parses a log into the values of recordColumns, in the form that the database's driver takes.
func rowsOf(b *testing.B, path string, native bool) [][]any {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	parser := panos.New(panos.Options{Location: time.UTC})
	var rows [][]any
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		var ev detect.Event
		if err := parser.Parse(scanner.Bytes(), time.Now(), &ev); err != nil {
			b.Fatal(err)
		}
		var at, src, dst any = ev.Time, ev.Src, ev.Dst
		if !native {
			at, src, dst = ev.Time.UnixMicro(), ev.Src.AsSlice(), ev.Dst.AsSlice()
		}
		rows = append(rows, []any{int64(len(rows) + 10), at, int16(1), ev.Device, src, dst, int32(ev.SrcPort), int32(ev.DstPort), ev.SrcUser,
			ev.SrcCountry, ev.DstCountry, ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype, ev.Type.String(), "",
			int64(1), int64(1), int64(len(rows) * 350)})
	}
	return rows
}

// BenchmarkReplay is `replay` of a million lines as a process of its own, and of ten million when REPLAY_MORE is set: key=value lines
// from both crowds, and comma-separated ones of all sessions, each beside a mawk program that only counts distinct ports by
// source and destination.
//
// The program is built by what this shows to be busy in it (default.pgo; go.dev/doc/pgo). To make that anew:
//
//	REPLAY_PROFILE=DIR go test -run '^$' -bench Replay -benchtime 5x -trimpath ./cmd/activedefense
//	go tool pprof -proto DIR/*.cpu >cmd/activedefense/default.pgo
//
// What is inlined by one profile and not by another makes a tenth of the time: measure the program of either before the new one is kept.
func BenchmarkReplay(b *testing.B) {
	sizes := []int{1_000_000}
	if os.Getenv("REPLAY_MORE") != "" {
		sizes = append(sizes, 10_000_000)
	}
	distinct := func(source, target, port string) string {
		return fmt.Sprintf("{k = %s %s; if (!((k %s) in s)) { s[k %[3]s] = 1; if (++c[k] > 10) b[%[1]s] = 1 } } END { for (x in b) print x }", source, target, port)
	}
	for _, n := range sizes {
		for name, sources := range map[string]uint32{"regulars": regulars, "strangers": strangers} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				replaySpeed(b, n, func(path string) { writeLog(b, path, n, sources) }, "-F; ", distinct("$2", "$6", "$7"))
			})
		}
		b.Run(fmt.Sprintf("%d/sessions", n), func(b *testing.B) {
			replaySpeed(b, n, func(path string) { writeClients(b, path, n) }, "-F,", distinct("$8", "$9", "$26"))
		})
	}
}

func replaySpeed(b *testing.B, n int, write func(path string), mawk ...string) {
	w := newWorld(b, "sqlite", "")
	log := filepath.Join(w.dir, "replay.log")
	write(log)
	var ours, awk time.Duration
	var memory int64
	for b.Loop() {
		cmd := w.command("replay", "--json", log)
		ours += timed(b, cmd)
		memory = max(memory, peakMemory(cmd))
		awk += timed(b, exec.Command("mawk", append(mawk, log)...))
	}
	lines := float64(b.N * n)
	b.ReportMetric(lines/ours.Seconds(), "lines/s")
	b.ReportMetric(lines/awk.Seconds(), "mawk-lines/s")
	b.ReportMetric(awk.Seconds()/ours.Seconds(), "times-mawk")
	b.ReportMetric(float64(memory)/(1<<20), "peak-MiB")
}

func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if strings.HasSuffix(cmd.Path, ".test") {
		cmd.Stderr = io.Discard
	}
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
