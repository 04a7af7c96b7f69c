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

// commonFields have values that many lines have.
var commonFields = []field{{"rule", rules[0]}, {"src_country", countries[0]}, {"dst_port", fmt.Sprint(ports[0])}, {"dst", "198.51.100.1"}}

// search asks the running daemon's API for the newest 100 records, or to count all, and gives how many there are.
func (d *daemon) search(ctx context.Context, by field, count bool) (int, error) {
	status, body, err := get(ctx, fmt.Sprintf("http://%s/api/v1/records?limit=100&since=1970-01-01&within=0&count=%t&%s=%s", d.admin, count, by.name, url.QueryEscape(by.value)))
	if err != nil {
		return 0, err
	}
	var found struct {
		Records []json.RawMessage
		Count   int
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
	return len(found.Records) + found.Count, nil // one of them
}

// searches are those of one source, and of the rare value of each other field, and counts of common values, in turn; of each the first is not measured.
func (b *bench) searches(ctx context.Context, d *daemon) error {
	return b.rounds("rounds of searches", b.runs+1, keptUntil, func(i int) error {
		for _, by := range append([]field{{"src", b.someone()}}, rareFields...) {
			began := time.Now()
			n, err := d.search(ctx, by, false)
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
		for _, by := range commonFields {
			began := time.Now()
			n, err := d.search(ctx, by, true)
			if err != nil {
				return err
			}
			if n < b.lines/1000 {
				return fmt.Errorf("of %d lines %d are counted by %s", b.lines, n, by.name)
			}
			if i > 0 {
				b.note("count by "+by.name, time.Since(began).Seconds())
			}
		}
		return nil
	})
}

// someone is the source of the first line.
func (b *bench) someone() string {
	_, rest, _ := strings.Cut(string(b.log.append(nil, 0, b.log.begin(), newRandom())), "SrcIP=")
	source, _, _ := strings.Cut(rest, ";")
	return source
}
