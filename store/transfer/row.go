package transfer

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"activedefense/store"
)

// A row is what COPY has between its header and its trailer, in binary format: the number of fields, and each behind its length, which is
// -1 for NULL. PostgreSQL gives and takes it as it is, SQLite's values are made of it and into it, and its bytes are what is compared.

var errRow = errors.New("a row is not as PostgreSQL writes rows")

// eachField calls fn for the fields of a row; one that is NULL is nil.
func eachField(row []byte, fn func(i int, field []byte) error) error {
	n, rest := int(binary.BigEndian.Uint16(row)), row[2:]
	for i := range n {
		var field []byte
		if size := int32(binary.BigEndian.Uint32(rest)); size >= 0 {
			field = rest[4 : 4+size : 4+size]
		}
		rest = rest[4+len(field):]
		if err := fn(i, field); err != nil {
			return err
		}
	}
	return nil
}

// rowSize is how many bytes the first row in b has; 0: it is not there to its end.
func rowSize(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	at := 2
	for range binary.BigEndian.Uint16(b) {
		if len(b) < at+4 {
			return 0, nil
		}
		size := int32(binary.BigEndian.Uint32(b[at:]))
		if size < -1 {
			return 0, errRow
		}
		at += 4 + int(max(size, 0))
	}
	if len(b) < at {
		return 0, nil
	}
	return at, nil
}

// postgresEpoch is the beginning of the year 2000, from which timestamptz counts, in microseconds since 1970.
const postgresEpoch = 946_684_800_000_000

// widths are the bytes of the whole numbers.
var widths = map[string]int{"int2": 2, "int4": 4, "int8": 8}

// appendField appends a value of SQLite as a field of a row.
func appendField(b []byte, kind string, v driver.Value) ([]byte, error) {
	var field [20]byte
	put := func(f []byte) ([]byte, error) {
		return append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...), nil
	}
	switch v := v.(type) {
	case nil:
		return binary.BigEndian.AppendUint32(b, math.MaxUint32), nil
	case int64:
		switch kind {
		case "timestamptz":
			return put(binary.BigEndian.AppendUint64(field[:0], uint64(v-postgresEpoch)))
		case "bool":
			field[0] = byte(v & 1)
			return put(field[:1])
		}
		width := widths[kind]
		if bits := 64 - 8*width; width > 0 && v<<bits>>bits == v {
			binary.BigEndian.PutUint64(field[:], uint64(v))
			return put(field[8-width : 8])
		}
	case string:
		if kind == "text" {
			return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...), nil
		}
		if p, err := netip.ParsePrefix(v); err == nil && kind == "cidr" {
			return put(appendNetwork(field[:0], p.Addr(), p.Bits(), 1))
		}
	case []byte:
		if kind == "bytea" {
			return put(v)
		}
		if a, ok := netip.AddrFromSlice(v); ok && kind == "inet" {
			return put(appendNetwork(field[:0], a, a.BitLen(), 0))
		}
	}
	return b, fmt.Errorf("%v (%[1]T) is no %s", v, kind)
}

// appendRecord appends a record as a row of the table of records.
func appendRecord(b []byte, t *table, r *store.Record) ([]byte, error) {
	values := [...]driver.Value{r.ID, r.Time.UnixMicro(), r.File, r.Offset, int64(r.Repeat), int64(r.SrcPort), int64(r.DstPort), r.Agent, bytesOf(r.Src), bytesOf(r.Dst),
		r.Device, r.SrcUser, r.SrcCountry, r.DstCountry, r.Action, r.Rule, r.RuleID, r.ThreatName, r.ThreatID, r.Severity, r.Subtype, r.Direction, r.Type,
		int64(r.Protocol), int64(r.Outcome), int64(r.Grade), r.Application, r.FromZone, r.ToZone, r.SessionEndReason, r.Category, r.Client}
	b = binary.BigEndian.AppendUint16(b, uint16(len(values)))
	for i, c := range t.columns {
		var err error
		if b, err = appendField(b, c.kind, values[i]); err != nil {
			return b, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return b, nil
}

// bytesOf is an address as SQLite's rows have it.
func bytesOf(a netip.Addr) driver.Value {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}

// appendNetwork appends what inet and cidr have: the family, the bits, which of the two it is, and the bytes behind their number.
func appendNetwork(b []byte, a netip.Addr, bits int, cidr byte) []byte {
	family := byte(2)
	if a.Is6() {
		family = 3
	}
	bytes := a.AsSlice()
	return append(append(b, family, byte(bits), cidr, byte(len(bytes))), bytes...)
}

// value is a field of a row as SQLite has it.
func value(kind string, field []byte) (driver.Value, error) {
	if field == nil {
		return nil, nil
	}
	switch width := widths[kind]; {
	case width > 0 && len(field) == width:
		var all [8]byte
		copy(all[8-width:], field)
		bits := 64 - 8*width
		return int64(binary.BigEndian.Uint64(all[:])) << bits >> bits, nil
	case kind == "timestamptz" && len(field) == 8:
		return int64(binary.BigEndian.Uint64(field)) + postgresEpoch, nil
	case kind == "bool" && len(field) == 1:
		return int64(field[0]), nil
	case kind == "text":
		return string(field), nil
	case kind == "bytea":
		return field, nil
	case kind == "inet" && len(field) >= 8 && len(field) == 4+int(field[3]):
		return field[4:], nil
	case kind == "cidr" && len(field) >= 8:
		if a, ok := netip.AddrFromSlice(field[4:]); ok {
			return netip.PrefixFrom(a, int(field[1])).String(), nil
		}
	}
	return nil, fmt.Errorf("%w: %d bytes are no %s", errRow, len(field), kind)
}

// A sum is that of the SHA-256 of rows, in whatever order they come. The zero value is that of none.
type sum [4]uint64

func (s *sum) add(row []byte) {
	hash := sha256.Sum256(row)
	for i := range s {
		s[i] += binary.BigEndian.Uint64(hash[8*i:])
	}
}

// String gives 64 hexadecimal digits.
func (s sum) String() string {
	text, _ := s.MarshalText()
	return string(text)
}

// MarshalText implements encoding.TextMarshaler.
func (s sum) MarshalText() ([]byte, error) {
	var b []byte
	for _, n := range s {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return []byte(hex.EncodeToString(b)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *sum) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err == nil && len(b) != 8*len(s) {
		err = fmt.Errorf("a sum of %d bytes", len(b))
	}
	if err != nil {
		return err
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return nil
}
