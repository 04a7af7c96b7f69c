package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"activedefense/agent/explain"
)

// newApplication makes the database that the Django application has, with a blacklist, and gives a file that holds its URL.
func (w *world) newApplication() string {
	w.t.Helper()
	url := newDatabase(w.t)
	conn, err := pgx.Connect(w.t.Context(), url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	if _, err := conn.Exec(w.t.Context(), `
		CREATE TABLE "Syslog_blacklist" (id integer PRIMARY KEY, "Alert" varchar(100), "IP" varchar(100), "LastSeen" timestamptz);
		INSERT INTO "Syslog_blacklist" SELECT n, 'Port Scan Attack v1', '45.142.' || n / 200 || '.' || 1 + n % 200, now() - interval '2 days' FROM generate_series(1, 6000) AS n;
		INSERT INTO "Syslog_blacklist" VALUES (6001, 'Vulnerability Scan v1', '184.105.247.252', now()), (6002, 'User Added', '203.0.113.0/28', now()), (6003, 'Port Scan Attack v1', '184.105.247.252', now() - interval '1 day'),
			(7001, 'User Added', '10.0.0.0/8', now()), (7002, 'Port Scan Attack v1', '198.51.100.7', now()), (7003, 'Port Scan Attack v1', '192.0.2.66', now()), (7004, 'Port Scan Attack v1', '192.0.2.67', now()),
			(7005, 'Port Scan Attack v1', '192.0.2.68', now() - interval '90 days'), (7006, 'User Added', 'no address', now()), (7007, 'User Added', '0.0.0.0/0', now()), (7008, 'User Added', NULL, now()), (7009, 'User Added', '20.0.0.1', NULL),
			(7010, 'User Added', '20.0.0.2', 'infinity'), (7011, 'User Added', '20.0.0.3', '-infinity')`); err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.dir, "django.url")
	w.write(file, []byte(url+"\n"))
	return file
}

// What the Django application has blacklisted is taken over with its reasons, but for what is never to be blocked, which is named; with a
// daemon and without one; and nothing by a dry run.
func TestTheBlacklistOfTheDjangoApplicationIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "networks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.66]")
	application := w.newApplication()
	d := w.start()
	w.until("it runs", func() bool { s := w.status(); return s != nil && s.Ready })
	w.expectRun(0, "192.0.2.67", "allow", "add", "192.0.2.67", "--reason", "a partner")
	w.expectRun(0, "blocked", "blacklist", "add", "45.142.0.2", "--reason", "before")
	take := func(blocked, already string, more ...string) {
		t.Helper()
		stdout, stderr, code := w.run(append([]string{"blacklist", "import", "--django", application}, more...)...)
		if code != 1 || !strings.Contains(stdout, "6,014 rows with 6,012 different addresses") || !strings.Contains(stdout, blocked+", "+already+" already") {
			t.Errorf("%d %s%s", code, stdout, stderr)
		}
		for _, row := range []string{"7001: 10.0.0.0/8 ", "7002: 198.51.100.7 ", "7003: 192.0.2.66 ", "7004: 192.0.2.67 ", "7005: 192.0.2.68 was last seen", `7006: "no address" is neither`, "7007: 0.0.0.0/0 ",
			"7008: it has no address", "7009: 20.0.0.1: its LastSeen is NULL or infinite", "7010: 20.0.0.2: ", "7011: 20.0.0.3: "} {
			if !strings.Contains(stderr, "Syslog_blacklist:"+row) {
				t.Errorf("%q is not named: %s", row, stderr)
			}
		}
		if n := strings.Count(stderr, "Syslog_blacklist:"); n != 11 {
			t.Errorf("%d are named", n)
		}
	}
	take("6,001 entries would be blocked", "1", "--dry-run")
	if list := jsonLines[explain.BlacklistEntry](w, "blacklist", "list"); len(list) != 1 {
		t.Errorf("the dry run left %d entries", len(list))
	}
	take("6,001 entries blocked", "1")
	d.stop()
	take("0 entries blocked", "6,002")
	list := jsonLines[explain.BlacklistEntry](w, "blacklist", "list")
	for _, want := range []explain.BlacklistEntry{
		{Address: "184.105.247.252", Rule: "vulnerability", Reason: "Vulnerability Scan v1", By: "detector"},
		{Address: "203.0.113.0/28", Rule: "manual", Reason: "User Added", By: operator()},
		{Address: "45.142.0.3", Rule: "port-scan", Reason: "Port Scan Attack v1", By: "detector"},
		{Address: "45.142.0.2", Rule: "manual", Reason: "before", By: operator()},
	} {
		if !slices.ContainsFunc(list, func(e explain.BlacklistEntry) bool {
			return e.Address == want.Address && e.Rule == want.Rule && e.Reason == want.Reason && e.By == want.By
		}) {
			t.Errorf("it lacks %+v", want)
		}
	}
	if len(list) != 6002 {
		t.Errorf("%d entries", len(list))
	}
	w.expectRun(1, `no table "Syslog_defensesetting"`, "blacklist", "import", "--django", application, "--settings")
	w.expectRun(2, "goes with --django", "blacklist", "import", application, "--settings")
	w.expectRun(2, "neither the URL", "blacklist", "import", "--django", filepath.Join(w.dir, "nothing"))
}
