package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// leave leaves a socket behind as a daemon does that is killed.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestASocketThatIsThere(t *testing.T) {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	leave(t, path)
	first, err := listenSocket(path, &config.Admin{})
	if err != nil {
		t.Fatalf("what a killed daemon left: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if _, err := listenSocket(path, &config.Admin{}); err == nil || !strings.Contains(err.Error(), "another daemon listens at "+path) {
		t.Errorf("two daemons: %v", err)
	}
	first.Close()
	if second, err := listenSocket(path, &config.Admin{}); err != nil {
		t.Errorf("after the first has ended: %v", err)
	} else {
		second.Close()
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path, &config.Admin{}); err == nil || !strings.Contains(err.Error(), "is there and is no socket") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "x" {
		t.Errorf("the file is %q, %v", text, err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 107))
	if _, err := listenSocket(long, &config.Admin{}); err == nil || !strings.Contains(err.Error(), "the system takes at most 107 as the name of a socket; set admin.socket to a shorter path") {
		t.Errorf("a long path: %v", err)
	}
}

// Who was accepted when a server is told to stop, and has said nothing yet, is answered all the same.
func TestWhoWasAcceptedBeforeAStopIsAnswered(t *testing.T) {
	s := newStage(t, nil)
	path := filepath.Join(s.dir, "stops")
	server, err := s.api.Listen(ServerOptions{Socket: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	const question = "GET " + Prefix + "status HTTP/1.1\r\nHost: x\r\n\r\n"
	var conns [2]net.Conn // of which the second is accepted after the first
	for i := range conns {
		if conns[i], err = net.Dial("unix", path); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		conns[i].SetDeadline(time.Now().Add(30 * time.Second))
	}
	silent, idle := conns[0], bufio.NewReader(conns[1])
	ask := func(conn net.Conn, from *bufio.Reader) {
		t.Helper()
		io.WriteString(conn, question)
		answer, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatalf("it is answered by %v", err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("it is answered %s, %v", answer.Status, err)
		}
	}
	ask(conns[1], idle)
	stop()
	if _, err := idle.ReadByte(); err != io.EOF { // it is stopping
		t.Errorf("the other one's connection ends with %v", err)
	}
	ask(silent, bufio.NewReader(silent))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A socket that lasts keeps who connects between two servers, and is opened anew where it is another one, or its file is gone.
func TestASocketLastsFromOneServerToTheNext(t *testing.T) {
	s := newStage(t, nil)
	var lasting Lasting
	defer lasting.Close()
	path := filepath.Join(s.dir, "lasting")
	serve := func(path string) (stop func()) {
		t.Helper()
		server, err := s.api.Listen(ServerOptions{Socket: path, Lasting: &lasting})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		return func() {
			cancel()
			if err := errors.Join(<-done, server.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	ask := func(path string) error {
		var status map[string]bool
		return Dial(path).Get(t.Context(), "status", nil, &status)
	}
	stop := serve(path)
	if err := ask(path); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := listenSocket(path, &config.Admin{}); err == nil || !strings.Contains(err.Error(), "another daemon listens") {
		t.Errorf("between two servers another daemon may listen: %v", err)
	}
	between, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(between, "GET %sstatus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", Prefix)
	stop = serve(path)
	between.SetDeadline(time.Now().Add(30 * time.Second))
	if text, err := io.ReadAll(between); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200") {
		t.Errorf("who connected between them is answered %s, %v", text, err)
	}
	stop()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stop = serve(path)
	if err := ask(path); err != nil {
		t.Errorf("where its file was removed: %v", err)
	}
	stop()
	other := filepath.Join(s.dir, "other")
	stop = serve(other)
	if err := ask(other); err != nil {
		t.Errorf("at another path: %v", err)
	}
	stop()
	lasting.Close()
	for _, gone := range []string{path, other} {
		if _, err := os.Lstat(gone); err == nil {
			t.Errorf("%s is left behind", gone)
		}
	}
}

// Who may do nothing takes no place of those who may, and who may look none of those who act.
func TestStrangersAndViewersLeaveRoomForOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		return // everybody whom this test can be is the daemon's own user
	}
	s := newStage(t, nil)
	viewer, operator := identity{nobodyID, []int{viewersID}}, identity{nobodyID, []int{operatorsID}}
	status := func(who identity) int { return s.as(who, "GET", Prefix+"status", "").status }
	crowd := func(who identity, n int) {
		for range n {
			conn, err := s.dial(who)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
		}
	}
	crowd(identity{nobodyID, []int{nobodyID}}, mostStrangers+1)
	for range mostBusy {
		s.api.seats[seat{true, false, false}].busy <- struct{}{}
	}
	if code := status(viewer); code != http.StatusServiceUnavailable {
		t.Errorf("among many that read slowly a viewer is answered %d", code)
	}
	crowd(viewer, mostViewers+1) // each in the place of the one before
	if code := status(operator); code != http.StatusOK {
		t.Errorf("an operator is answered %d", code)
	}
}

// Those who read slowly what the store holds keep few of its connections: others of their kind wait for their turn, and nobody else does.
func TestReadersTakeTurns(t *testing.T) {
	s := newStage(t, nil)
	reading := s.api.seats[seat{false, false, false}].reading
	for range mostReading {
		reading <- struct{}{}
	}
	ask := func() chan int {
		answer := make(chan int, 1)
		go func() {
			r, err := http.Get("http://" + s.addr + Prefix + "records")
			if err != nil {
				t.Error(err)
				answer <- 0
				return
			}
			r.Body.Close()
			answer <- r.StatusCode
		}()
		return answer
	}
	waiting := ask()
	for len(s.api.seats[seat{false, false, false}].busy) == 0 {
		runtime.Gosched()
	}
	if r := s.as(identity{0, []int{0}}, "GET", Prefix+"records", ""); r.status != http.StatusOK {
		t.Errorf("an operator is answered %d", r.status)
	}
	select {
	case code := <-waiting:
		t.Errorf("it did not wait for its turn: %d", code)
	case <-reading:
		if code := <-waiting; code != http.StatusOK {
			t.Errorf("in its turn it is answered %d", code)
		}
	}
}

// The page is shown while as many downloads of the same role are read as there may be.
func TestDownloadsLeaveThePageItsTurn(t *testing.T) {
	s := newStage(t, nil)
	s.block("203.0.113.9/32", store.Blocked)
	for _, role := range []Role{Viewer, Operator} {
		reading := s.api.seats[Caller{Role: role}.seat()].reading
		for range cap(reading) {
			reading <- struct{}{}
		}
		n := 0
		err := Each(t.Context(), Session{Caller: Caller{Role: role}}.Client(s.api), "blacklist", nil, "entries", &Listed{}, func(*Entry) error { n++; return nil })
		if err != nil || n != 1 {
			t.Errorf("a page of a role of level %d shows %d entries, %v", role, n, err)
		}
	}
}

// Connections that are open and ask for nothing shut nobody out, whoever holds them: he who came first goes, and nobody who is being answered.
func TestIdleConnectionsShutNobodyOut(t *testing.T) {
	s := newLive(t)
	answered := bufio.NewScanner(s.follow().Body)
	request := func(conn net.Conn) {
		t.Helper()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(r, err)
		}
		io.Copy(io.Discard, r.Body)
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	first := dial()
	request(first)
	for range mostFromAddress - 1 {
		request(dial())
	}
	request(dial())
	if _, err := first.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the one that has been idle for longest: %v", err)
	}
	for range 5 { // of the second event, which comes a second after the first
		if !answered.Scan() {
			t.Fatalf("who is being answered has to go: %v", answered.Err())
		}
	}
	if os.Geteuid() != 0 {
		return // there are no two users on the socket
	}
	viewer := identity{nobodyID, []int{viewersID}}
	for range mostViewers {
		conn, err := s.dial(viewer)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if code := s.as(viewer, "GET", Prefix+"status", "").status; code != http.StatusOK {
		t.Errorf("a viewer is answered %d", code)
	}
}

// A room is bounded, for one client more so. Nobody who is at work has to go, and nobody for one who has more than he.
func TestWhoGoesWhereARoomIsFull(t *testing.T) {
	r := &room{most: 4, each: 2}
	var gone []string
	enter := func(client, name string, want ...string) *place {
		t.Helper()
		gone = nil
		p := r.enter(client, func() { gone = append(gone, name) })
		if got := append([]string{fmt.Sprint(p != nil)}, gone...); !slices.Equal(got, want) {
			t.Errorf("%s %s: %v instead of %v", client, name, got, want)
		}
		return p
	}
	a1 := enter("a", "1", "true")
	a2 := enter("a", "2", "true")
	r.works(a1, true)
	a3 := enter("a", "3", "true", "2")
	r.works(a3, true)
	enter("a", "4", "false")
	b1 := enter("b", "1", "true")
	enter("c", "1", "true")
	r.works(a1, false)
	enter("d", "1", "true", "1")
	if len(r.taken) != 4 || slices.Contains(r.taken, a1) {
		t.Error("the one idle of who had the most stays")
	}
	r.works(b1, true)
	r.works(b1, false) // it waits for less long than the others
	enter("e", "1", "true", "1")
	if !slices.Contains(r.taken, b1) {
		t.Error("who was idle last has gone first")
	}
	enter("a", "5", "true", "1") // a has one at work, as many as the others
	r.leave(a2)
	r.leave(a3)
	r.leave(a3)
	if len(r.taken) != 3 {
		t.Errorf("%d places are taken", len(r.taken))
	}
}

// Bodies are bounded, of one kind, and waited for so long alone.
func TestBodiesThatAreNone(t *testing.T) {
	s := newStage(t, nil)
	root := identity{0, []int{0}}
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		says               string
	}{
		{"POST", "blacklist", `address=203.0.113.9`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"POST", "blacklist", `{}`, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"POST", "blacklist", `{"address": "203.0.113.9", "reason": "x", "because": 1}`, nil, 400, "because"},
		{"POST", "blacklist", `{"address": "203.0.113.9"}`, nil, 400, "reason is missing"},
		{"POST", "blacklist", `{"reason": "x"}`, nil, 400, "address is missing"},
		{"POST", "blacklist", `{"address": "203.0.113.9", "reason": "x"} {}`, nil, 400, "more than one value"},
		{"POST", "blacklist", ``, nil, 400, "it is empty"},
		{"POST", "blacklist", `{"address": "203.0.113.9", "reason": "x", "for": "soon"}`, nil, 400, `soon`},
		{"POST", "blacklist", `{"addresses": ["203.0.113.9", "10.0.0.1"], "reason": "x"}`, nil, 422, "10.0.0.1 is not public"},
		{"POST", "blacklist", `{"reason": "` + strings.Repeat("x", maxBody) + `"}`, nil, 413, "more than 1048576 bytes"},
		{"POST", "blacklist/accept", `{}`, nil, 400, "or all"},
		{"DELETE", "blacklist/203.0.113.9", ``, nil, 404, "is not blocked, held or observed"},
		{"DELETE", "blacklist/203.0.113.9%2F24", ``, nil, 400, "host bits"},
		{"GET", "blacklist/..%2Fetc", ``, nil, 400, "neither an address"},
		{"GET", "blacklist?state=lost", ``, nil, 400, "blocked, held, observed, and all"},
		{"GET", "blacklist?limit=-1", ``, nil, 400, "limit"},
		{"GET", "blacklist?file=/etc/passwd", ``, nil, 400, `is no parameter of GET`},
		{"GET", "records?src=x", ``, nil, 400, "src: "},
		{"GET", "history?since=x", ``, nil, 400, "since"},
		{"GET", "records?" + strings.Repeat("user="+strings.Repeat("x", 90)+"&", 200), ``, nil, 200, "records"}, // a longer head than admin.listen takes
		{"GET", "records?" + strings.Repeat("src=203.0.113.1&", mostValues+1), ``, nil, 400, "at most 900 values"},
		{"PUT", "blacklist", ``, nil, 405, "takes GET and POST"},
		{"GET", "reload/x", ``, nil, 404, "there is no"},
		{"DELETE", "members/gone", ``, nil, 400, `no agent is called`},
	} {
		r := s.as(root, c.method, Prefix+c.path, c.body, c.header...)
		if r.status != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("%s %.60s %.60s: %d %s", c.method, c.path, c.body, r.status, r.body)
		}
	}
	if n, err := s.store.Version(t.Context()); n != 0 || err != nil {
		t.Errorf("something was changed: %d, %v", n, err)
	}
}

// A body that does not come ends the request within the time for reading; the others are answered meanwhile.
func TestASlowBodyHoldsNobodyUp(t *testing.T) {
	s := newStage(t, nil)
	conn, err := s.dial(identity{0, []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("POST " + Prefix + "blacklist HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"))
	for range mostBusy + 1 {
		if r := s.as(identity{0, []int{0}}, "GET", Prefix+"status", ""); r.status != http.StatusOK {
			t.Fatalf("another is answered %d", r.status)
		}
	}
	conn.(*net.UnixConn).CloseWrite()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(conn); err != nil || !strings.Contains(answer.String(), "408 Request Timeout") {
		t.Errorf("it is answered %s, %v", answer.String(), err)
	}
}
