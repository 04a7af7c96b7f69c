package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/netip"
	"strings"
)

// sqliteInsert takes the arguments in the order of sqliteColumns. NULL in place of an empty text spares the driver a copy
// that it would have to free, but the statement has to look: it pays for those that are mostly empty.
func sqliteInsert() string {
	others := strings.Count(sqliteColumns, ",") + 1 - seldomTexts
	return "INSERT INTO records (" + sqliteColumns + ") VALUES (" + strings.Repeat("?,", others) +
		strings.TrimSuffix(strings.Repeat("ifnull(?,''),", seldomTexts), ",") + ")"
}

// insert implements recordTable. It talks to the driver below database/sql, with one prepared statement
// and one list of arguments for all records: a tenth faster. (Several rows a statement are slower in this
// driver, measured with 10 and 50.)
func (t *sqliteRecords) insert(ctx context.Context, conn *sql.Conn, tx *sql.Tx, agent int64, records []Record) error {
	var id int64
	err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = 'records' RETURNING value`, len(records)).Scan(&id)
	if err != nil {
		return err
	}
	id -= int64(len(records))
	return conn.Raw(func(dc any) error {
		insert := sqliteInsert()
		stmt, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, insert)
		if err != nil {
			return err
		}
		defer stmt.Close() // an open one would keep the file open after the connection
		row := newSQLiteRow(agent, strings.Count(insert, "?"))
		for i := range records {
			// A context that can end costs a goroutine a statement in this driver.
			if i%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			row.fill(id+int64(i)+1, &records[i])
			if _, err := stmt.(driver.StmtExecContext).ExecContext(context.Background(), row.args); err != nil {
				return err
			}
		}
		return nil
	})
}

// sqliteRow is the arguments of one record after the other, in the order of sqliteColumns. The driver has copied them
// when a statement returns, so what is equal or has room is used again: an allocation less for each.
type sqliteRow struct {
	r        storedForm
	args     []driver.NamedValue
	src, dst sqliteAddress
}

func newSQLiteRow(agent int64, args int) *sqliteRow {
	row := &sqliteRow{args: make([]driver.NamedValue, args)}
	for i := range row.args {
		row.args[i].Ordinal = i + 1
	}
	row.args[2].Value = agent
	return row
}

// fill sets the arguments of a record.
func (row *sqliteRow) fill(id int64, record *Record) {
	r, args := &row.r, row.args
	r.take(record)
	args[0].Value, args[1].Value = id, r.Time.UnixMicro()
	args[3].Value, args[4].Value = row.src.of(r.Src), row.dst.of(r.Dst)
	for i, v := range [...]int64{int64(r.SrcPort), int64(r.DstPort), int64(r.Repeat), r.File, r.Offset} {
		setIfOther(&args[5+i], v)
	}
	for i, n := range r.smalls() {
		args[10+i].Value = int64(*n) // Go has these small ones ready
	}
	texts := r.texts()
	for i, s := range texts {
		if *s == "" && i >= len(texts)-seldomTexts {
			args[13+i].Value = nil
			continue
		}
		setIfOther(&args[13+i], *s)
	}
}

// setIfOther sets an argument unless it has that value.
func setIfOther[T comparable](arg *driver.NamedValue, v T) {
	if old, ok := arg.Value.(T); !ok || old != v {
		arg.Value = v
	}
}

// sqliteAddress is the room for an address of either family, as it is stored and sorted: 4 or 16 bytes.
type sqliteAddress struct {
	four                [4]byte
	sixteen             [16]byte
	fourSlice, allSlice any // of the arrays
}

// of gives an address as an argument, NULL if there is none. The one before it is overwritten.
func (b *sqliteAddress) of(a netip.Addr) any {
	if b.allSlice == nil {
		b.fourSlice, b.allSlice = b.four[:], b.sixteen[:]
	}
	switch {
	case a.Is4():
		b.four = a.As4()
		return b.fourSlice
	case a.IsValid():
		b.sixteen = a.As16()
		return b.allSlice
	}
	return nil
}
