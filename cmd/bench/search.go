package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A field is one that records are searched by, as the API calls it, and the value that it is to have.
type field struct{ name, value string }

// rareFields have values that a few lines have.
var rareFields = []field{
	{"user", rareUser}, {"src_country", rareCountry}, {"rule", rareRule}, {"dst", fmt.Sprintf("198.51.100.%d", rareTarget)}, {"dst_port", fmt.Sprint(rarePort)},
}

// search asks the running daemon's API for the newest 100 records, and gives how many there are.
func (d *daemon) search(ctx context.Context, by field) (int, error) {
	status, body, err := get(ctx, "http://"+d.admin+"/api/v1/records?limit=100&since=1970-01-01&within=0&"+by.name+"="+url.QueryEscape(by.value))
	if err != nil {
		return 0, err
	}
	var found struct {
		Records []json.RawMessage
		Stopped bool
	}
	switch err := json.Unmarshal(body, &found); {
	case status != http.StatusOK:
		return 0, fmt.Errorf("a search by %s: status %d: %.200s", by.name, status, body)
	case err != nil:
		return 0, fmt.Errorf("a search by %s: %w", by.name, err)
	case found.Stopped:
		return 0, fmt.Errorf("a search by %s was stopped", by.name)
	}
	return len(found.Records), nil
}

// searches are those of one source, and of the rare value of each other field, in turn, and counts; of each the first is not measured.
func (b *bench) searches(ctx context.Context, d *daemon) error {
	return b.rounds("rounds of searches", b.runs+1, keptUntil, func(i int) error {
		for _, by := range append([]field{{"src", b.someone()}}, rareFields...) {
			began := time.Now()
			n, err := d.search(ctx, by)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("a search by %s finds nothing", by.name)
			}
			if i > 0 {
				b.note("by "+by.name, time.Since(began).Seconds()*1000)
			}
		}
		return b.count(ctx, d, i)
	})
}

// count asks for how many records have a value that all have, where the API counts; not the first time.
func (b *bench) count(ctx context.Context, d *daemon, round int) error {
	began := time.Now()
	status, body, err := get(ctx, "http://"+d.admin+"/api/v1/records?count=true&since=1970-01-01&within=0&action=drop")
	if err != nil {
		return err
	}
	var found struct{ Count *int }
	switch err := json.Unmarshal(body, &found); {
	case status != http.StatusOK || err != nil || found.Count == nil:
		b.reasons["count"] = "the API counts nothing"
	case *found.Count != b.lines:
		return fmt.Errorf("%d records are counted, of %d", *found.Count, b.lines)
	case round > 0:
		b.note("count", time.Since(began).Seconds())
	}
	return nil
}

// someone is the source of the first line.
func (b *bench) someone() string {
	_, rest, _ := strings.Cut(string(b.log.append(nil, 0, b.log.begin(), newRandom())), "SrcIP=")
	source, _, _ := strings.Cut(rest, ";")
	return source
}
