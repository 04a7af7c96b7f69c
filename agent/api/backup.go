package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"activedefense/store"
)

// backupBuffer is what is read of the database before it is written to the client, bytes.
const backupBuffer = 256 << 10

// backup answers with the database file as it is at this moment. One that is cut off has fewer bytes than were promised.
func (a *API) backup(c *call) error {
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	begun := false
	out := bufio.NewWriterSize(c.w, backupBuffer)
	err = st.Backup(c.r.Context(), out, func(size int64) {
		begun = true
		c.w.Header().Set("Content-Type", "application/vnd.sqlite3")
		c.w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		c.w.Header().Set("Content-Disposition", `attachment; filename="activedefense.db"`)
		c.w.WriteHeader(http.StatusOK)
	})
	if err == nil {
		err = out.Flush()
	}
	switch {
	case errors.Is(err, store.ErrNoBackup):
		return faultf(http.StatusConflict, "the database is PostgreSQL's, which backs it up itself: %s", dumpCommand(string(a.opts.Config.Store.URL)))
	case err != nil && !begun:
		return err
	case err != nil:
		a.opts.Log.Warn().Err(err).Str("by", c.by()).Msg("a backup was not sent to its end")
		return nil
	}
	a.opts.Log.Info().Str("by", c.by()).Msg("the database was backed up")
	return nil
}

// backupFile answers with a file of records. One that the database does not name any more is not found: another backup has to be made.
func backupFile(a *API, c *call) error {
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	f, err := st.OpenRecordFile(c.r.Context(), c.r.PathValue("name"))
	if errors.Is(err, store.ErrNoRecordFile) {
		return faultf(http.StatusNotFound, "%w", err)
	}
	if err != nil {
		return err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/vnd.apache.parquet")
	c.w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	c.w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(c.w, f); err != nil {
		a.opts.Log.Warn().Err(err).Str("by", c.by()).Msg("a file of records was not sent to its end")
	}
	return nil
}

// ofLibpq are the options of a URL that pg_dump takes too (PostgreSQL documentation, "Parameter Key Words"); another one is a fault to it.
var ofLibpq = []string{"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs", "passfile"}

// dumpCommand is what backs up the PostgreSQL database of a URL, without its password, which pg_dump asks for or finds in ~/.pgpass.
func dumpCommand(text string) string {
	u, err := url.Parse(text)
	if err != nil { // the store was opened by it
		return "pg_dump --format=custom --file=activedefense.dump activedefense"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	options, kept, schema := u.Query(), url.Values{}, ""
	for name, values := range options {
		if slices.Contains(ofLibpq, name) {
			kept[name] = values
		}
	}
	if path := options.Get("search_path"); path != "" {
		schema = " --schema=" + quoted(path)
	}
	u.RawQuery = kept.Encode()
	return "pg_dump --format=custom --file=activedefense.dump" + schema + " --dbname=" + quoted(u.String())
}

// quoted is a word in a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Fetch asks for a file, and writes it to w. One that does not come to its end is an error.
func (c *Client) Fetch(ctx context.Context, path string, w io.Writer) error {
	response, err := c.ask(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	size, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		return c.broken(errors.New("it does not say how long the file is"))
	}
	n, err := io.Copy(w, response.Body)
	if err == nil && n != size {
		err = fmt.Errorf("%d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return c.broken(err)
	}
	return err
}
