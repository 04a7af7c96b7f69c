package store

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// benchRecords are like a firewall's log of denied scans: half of the sources come back, half are random.
func benchRecords(n int, seed uint64) []Record {
	r := rand.New(rand.NewPCG(seed, 1))
	countries := []string{"DE", "US", "CN", "RU", "BR", "FR", "NL", "United Kingdom"}
	list := make([]Record, n)
	at := noon().Add(time.Duration(seed)*time.Second - oneDay)
	for i := range list {
		src := r.Uint32()
		if i%2 == 0 {
			src = 0xcb007100 | src&0xff
		}
		list[i] = Record{Time: at.Add(time.Duration(i) * 100 * time.Microsecond), Device: "LAB-FW-01",
			Src: netip.AddrFrom4([4]byte{byte(src >> 24), byte(src >> 16), byte(src >> 8), byte(src)}), Dst: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.UintN(256))}),
			SrcPort: uint16(r.UintN(1 << 16)), DstPort: uint16(r.UintN(1 << 16)), SrcCountry: countries[r.IntN(8)], DstCountry: "DE", Action: "deny",
			Rule: "interzone-default", RuleID: "5f3c7a8e-1234-4a4b-9c1d-aabbccddeeff", Subtype: "drop", Type: "TRAFFIC", Repeat: 1, File: 1, Offset: int64(i) * 420,
			Application: "not-applicable", FromZone: "outside", ToZone: "inside", SessionEndReason: "policy-deny", Protocol: TCP, Outcome: Refused, Grade: Forgeable}
	}
	return list
}

const benchBatch = 10_000

// BenchmarkCommit commits batches of 10,000 records and, in turn with them, lets the bare driver write the
// same rows into the same table of a second database. It reports the rows a second of both and their ratio.
func BenchmarkCommit(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { compareCommit(b, newSQLite(b), newSQLite(b), bareSQLite) })
	b.Run("postgresql", func(b *testing.B) {
		base := postgresURL(b)
		compareCommit(b, newPostgres(b, base), newPostgres(b, base), barePostgres)
	})
}

func compareCommit(b *testing.B, ours, theirs emptyDatabase, bare func(ctx context.Context, s *Store, firstID int64, records []Record) error) {
	s, plain := ours.open("one"), theirs.open("one")
	ctx := context.Background()
	commit(b, plain, &Batch{Records: benchRecords(1, 0)}) // makes the partitions
	commit(b, s, &Batch{Records: benchRecords(1, 0)})
	var tookOurs, tookBare time.Duration
	n := int64(0)
	for b.Loop() {
		n++
		records := benchRecords(benchBatch, uint64(n))
		batch := &Batch{Seq: n, After: n - 1, Records: records, Positions: []Position{{ID: 1, Path: "/var/log/Firewall/a.log", Offset: n}}}
		began := time.Now()
		commit(b, s, batch)
		tookOurs += time.Since(began)
		began = time.Now()
		must(b, bare(ctx, plain, 1+n*benchBatch, records))
		tookBare += time.Since(began)
	}
	rows := float64(n * benchBatch)
	b.ReportMetric(rows/tookOurs.Seconds(), "rows/s")
	b.ReportMetric(rows/tookBare.Seconds(), "bare-rows/s")
	b.ReportMetric(tookBare.Seconds()/tookOurs.Seconds(), "of-bare")
}

// bareSQLite is a prepared INSERT of database/sql in one transaction.
func bareSQLite(ctx context.Context, s *Store, id int64, records []Record) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO records ("+sqliteColumns+") VALUES (?"+strings.Repeat(",?", strings.Count(sqliteColumns, ","))+")")
	if err != nil {
		return err
	}
	for i := range records {
		r := &records[i]
		args := []any{id + int64(i), r.Time.UnixMicro(), 1, r.Src.AsSlice(), r.Dst.AsSlice(), r.SrcPort, r.DstPort, r.Repeat, r.File, r.Offset, r.Protocol, r.Outcome, r.Grade}
		for _, text := range r.Texts() {
			args = append(args, *text)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// barePostgres is COPY through pgx in one transaction.
func barePostgres(ctx context.Context, s *Store, _ int64, records []Record) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(dc any) error {
		return pgx.BeginFunc(ctx, dc.(*stdlib.Conn).Conn(), func(tx pgx.Tx) error {
			source := pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
				r := &records[i]
				row := []any{r.Time, int16(1), r.Src, r.Dst, int32(r.SrcPort), int32(r.DstPort), int64(r.Repeat), r.File, r.Offset, int16(r.Protocol), int16(r.Outcome), int16(r.Grade)}
				for _, text := range r.Texts() {
					row = append(row, *text)
				}
				return row, nil
			})
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"records"}, strings.Split(postgresColumns, ", "), source)
			return err
		})
	})
}

// BenchmarkSmallCommit is a live moment: one line, its position, and activity of a blocked source.
func BenchmarkSmallCommit(b *testing.B) {
	small := func(b *testing.B, db emptyDatabase, touches []Touch) {
		s := db.open("one")
		commit(b, s, &Batch{Blocks: []Block{{Address: prefix("203.0.113.9")}}})
		records := benchRecords(1, 1)
		n := int64(0)
		for b.Loop() {
			n++
			commit(b, s, &Batch{Seq: n, After: n - 1, Records: records, Positions: []Position{{ID: 1, Path: "log", Offset: n}}, Touches: touches})
		}
	}
	touch := []Touch{{Address: prefix("203.0.113.9"), LastSeen: noon(), Hits: 1}}
	b.Run("sqlite", func(b *testing.B) { small(b, newSQLite(b), nil) })
	b.Run("sqlite touching", func(b *testing.B) { small(b, newSQLite(b), touch) })
	b.Run("postgresql", func(b *testing.B) { small(b, newPostgres(b, postgresURL(b)), nil) })
	b.Run("postgresql touching", func(b *testing.B) { small(b, newPostgres(b, postgresURL(b)), touch) })
}

// BenchmarkHold is a moment of a flood: 50 sources that are held, with eleven lines of evidence each, and their records.
func BenchmarkHold(b *testing.B) {
	hold := func(b *testing.B, db emptyDatabase) {
		s := db.open("one")
		records := benchRecords(550, 1)
		n, source := int64(0), netip.MustParseAddr("20.0.0.1")
		for b.Loop() {
			n++
			batch := &Batch{Seq: n, After: n - 1, Records: records, Positions: []Position{{ID: 1, Path: "log", Offset: n}}}
			for range 50 {
				block := Block{Address: netip.PrefixFrom(source, 32), Rule: "port-scan", Reason: strings.Repeat("reason ", 10), By: ByDetector, Device: "LAB-FW-01", Target: "198.51.100.7",
					BlockedAt: noon(), Hits: 11, Count: 11, Grade: Forgeable, State: Held, Hold: "more forgeable verdicts than blacklist.surge allows"}
				for range 11 {
					block.Evidence = append(block.Evidence, Evidence{Time: noon(), Device: "LAB-FW-01", Line: strings.Repeat("evidence ", 30)})
				}
				batch.Blocks, source = append(batch.Blocks, block), source.Next()
			}
			commit(b, s, batch)
		}
	}
	b.Run("sqlite", func(b *testing.B) { hold(b, newSQLite(b)) })
	b.Run("postgresql", func(b *testing.B) { hold(b, newPostgres(b, postgresURL(b))) })
}

// BenchmarkReading measures what is done with a million records: rebuilding the detection, and searches.
func BenchmarkReading(b *testing.B) {
	read := func(b *testing.B, db emptyDatabase) {
		s := db.open("one")
		ctx := context.Background()
		const batches = 100
		for n := range uint64(batches) {
			commit(b, s, &Batch{Records: benchRecords(benchBatch, n+1)})
		}
		if s.kind == kindPostgres {
			_, err := s.writer.ExecContext(ctx, `ANALYZE records`)
			must(b, err)
		}
		b.Run("sightings", func(b *testing.B) {
			for b.Loop() {
				rows := 0
				must(b, s.Sightings(ctx, []Interval{{From: noon().Add(-oneDay)}}, nil, func(*Record) error { rows++; return nil }))
				if rows != batches*benchBatch {
					b.Fatalf("%d sightings", rows)
				}
			}
			b.ReportMetric(float64(b.N*batches*benchBatch)/b.Elapsed().Seconds(), "rows/s")
		})
		for name, f := range map[string]RecordFilter{
			"newest 100":          {Limit: 100},
			"a scanner":           {Conditions: Conditions{Src: []netip.Prefix{prefix("203.0.113.9")}}, Limit: 100},
			"a rare source":       {Conditions: Conditions{Src: []netip.Prefix{netip.PrefixFrom(benchRecords(2, 1)[1].Src, 32)}}},
			"a country's last 10": {Conditions: Conditions{SrcCountry: []string{"united kingdom"}}, Limit: 10},
			"nobody's":            {Conditions: Conditions{User: []string{"*nobody*"}}},
		} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					must(b, s.Records(ctx, f, func(*Record) error { return nil }))
				}
			})
		}
	}
	b.Run("sqlite", func(b *testing.B) { read(b, newSQLite(b)) })
	b.Run("postgresql", func(b *testing.B) { read(b, newPostgres(b, postgresURL(b))) })
}

// BenchmarkPrune removes a million records.
func BenchmarkPrune(b *testing.B) {
	for name, make := range map[string]func() emptyDatabase{
		"sqlite":     func() emptyDatabase { return newSQLite(b) },
		"postgresql": func() emptyDatabase { return newPostgres(b, postgresURL(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			s := make().open("one")
			removed := int64(0)
			for b.Loop() {
				b.StopTimer()
				for n := range uint64(100) {
					commit(b, s, &Batch{Records: benchRecords(benchBatch, n)})
				}
				b.StartTimer()
				n, err := s.PruneRecords(context.Background(), noon().Add(oneDay))
				must(b, err)
				removed += n
			}
			b.ReportMetric(float64(removed)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
