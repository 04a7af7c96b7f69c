// Package exchange carries the blacklist, and lists of addresses, from and to files: CSV with a line of names, JSON objects, or one address a
// line. It opens no file and knows no command line.
package exchange

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Formats of a file. Auto is told by the beginning.
const (
	Auto = "auto"
	CSV  = "csv"
	JSON = "json"
	Text = "text"
)

// MaxSize is the most that a file may have.
const MaxSize = 64 << 20

// A Row is one entry of a file.
type Row struct {
	Line   int               // from 1, where it begins
	Values map[string]string // by column, of those that have one
	Err    error             // why it cannot be read; nil: it can
}

// Of gives the first value of these columns that there is.
func (r *Row) Of(columns ...string) string {
	for _, c := range columns {
		if v := strings.TrimSpace(r.Values[c]); v != "" {
			return v
		}
	}
	return ""
}

// addressColumns are what the column of addresses may be called.
var addressColumns = []string{"address", "entry", "ip", "network"}

// Address is the address, network or name that a row is about.
func (r *Row) Address() string { return r.Of(addressColumns...) }

// Read reads a file. What cannot be read in it is a row with an error; an error is of the whole.
func Read(in io.Reader, format string) ([]Row, error) {
	data, err := io.ReadAll(io.LimitReader(in, MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > MaxSize:
		return nil, fmt.Errorf("it has more than %d MiB: split it", MaxSize>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // spreadsheets begin with it
	if format == Auto || format == "" {
		format = formatOf(data)
	}
	switch format {
	case CSV:
		return readCSV(data)
	case JSON:
		return readJSON(data), nil
	case Text:
		return readText(data), nil
	}
	return nil, fmt.Errorf("the formats are %s, %s and %s", CSV, JSON, Text)
}

// formatOf tells a format by the beginning of a file.
func formatOf(data []byte) string {
	first, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	switch {
	case bytes.HasPrefix(first, []byte("{")), bytes.HasPrefix(first, []byte("[")):
		return JSON
	case slices.ContainsFunc(strings.Split(string(first), ","), func(name string) bool { return slices.Contains(addressColumns, columnOf(name)) }):
		return CSV
	}
	return Text
}

// columnOf is the name of a column as rows have it.
func columnOf(text string) string { return strings.ToLower(strings.Trim(text, " \t\r\"")) }

func readCSV(data []byte) (rows []Row, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	names, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the line of names cannot be read: %w", err)
	}
	for i := range names {
		names[i] = columnOf(names[i])
	}
	if !slices.ContainsFunc(addressColumns, func(c string) bool { return slices.Contains(names, c) }) {
		return nil, errors.New(`the first line is to name the columns, one of them "address"; a file of one address a line has the format text`)
	}
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		row := Row{Values: make(map[string]string), Err: err}
		row.Line, _ = r.FieldPos(0)
		if wrong, is := errors.AsType[*csv.ParseError](err); is {
			row.Line, row.Err = wrong.StartLine, wrong.Err
		} else if err != nil {
			return nil, err
		}
		if err == nil && len(values) != len(names) {
			row.Err = fmt.Errorf("it has %d values, and the first line names %d", len(values), len(names))
		}
		for i, v := range values[:min(len(values), len(names))] {
			row.Values[names[i]] = cell(v)
		}
		rows = append(rows, row)
	}
}

// readJSON reads objects, one after the other or in a list. Behind what is no JSON nothing can be read.
func readJSON(data []byte) (rows []Row) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		_, _ = d.Token() // it is there
	}
	for line, read := 1, int64(0); d.More(); {
		at := d.InputOffset()
		for at < int64(len(data)) && bytes.IndexByte([]byte(" \t\r\n,"), data[at]) >= 0 {
			at++
		}
		line += bytes.Count(data[read:at], []byte("\n"))
		read = at
		row := Row{Line: line, Values: make(map[string]string)}
		var object map[string]any
		if row.Err = d.Decode(&object); row.Err != nil {
			rows = append(rows, row)
			if _, wrong := errors.AsType[*json.UnmarshalTypeError](row.Err); wrong {
				continue
			}
			return rows
		}
		for name, v := range object {
			if v != nil {
				row.Values[name] = fmt.Sprint(v)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// readText reads an address a line; what follows a # or ; is its reason, and a line without an address is passed over.
func readText(data []byte) (rows []Row) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, MaxSize+1)
	for n := 1; lines.Scan(); n++ {
		text, reason := lines.Text(), ""
		if i := strings.IndexAny(text, "#;"); i >= 0 {
			text, reason = text[:i], strings.TrimSpace(text[i+1:])
		}
		if text = strings.TrimSpace(text); text != "" {
			rows = append(rows, Row{Line: n, Values: map[string]string{"address": text, "reason": reason}})
		}
	}
	return rows
}
