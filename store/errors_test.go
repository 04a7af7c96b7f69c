package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestTransientAndDiskFull(t *testing.T) {
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, c := range []struct {
		err             error
		transient, full bool
	}{
		{nil, false, false},
		{errors.New("other"), false, false},
		{ErrNotBlocked, false, false},
		{ErrSchemaNewer, false, false},
		{state("08006"), true, false},
		{state("57P01"), true, false},
		{state("57P03"), true, false},
		{state("53100"), true, true},
		{state("53300"), true, false},
		{state("40001"), true, false},
		{state("40P01"), true, false},
		{state("55P03"), true, false},
		{state("25006"), true, false},
		{state("58030"), true, false},
		{state("23505"), false, false},
		{state("42P01"), false, false},
		{state("28P01"), false, false},
		{state("22021"), false, false},
		{io.ErrUnexpectedEOF, true, false},
		{driver.ErrBadConn, true, false},
		{net.ErrClosed, true, false},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true, false},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, true, true},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}, true, true},
		{os.ErrPermission, false, false},
		{errTooSlow, true, false},
		{fmt.Errorf("%w (%w)", errTooSlow, context.DeadlineExceeded), true, false},
		{context.DeadlineExceeded, false, false},
		{context.Canceled, false, false},
		{fmt.Errorf("%w (%w)", context.Canceled, io.EOF), false, false},
	} {
		for _, err := range []error{c.err, wrapped(c.err)} {
			if Transient(err) != c.transient || DiskFull(err) != c.full {
				t.Errorf("%v: transient %v, disk full %v", err, Transient(err), DiskFull(err))
			}
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("commit: %w", err)
}
