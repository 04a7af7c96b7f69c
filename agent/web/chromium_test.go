package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for something that a browser is to do.
const patience = 60 * time.Second

// chromium is where the browser is; "": it is not installed, and what needs it is left to the tests without.
func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// newChromium starts the browser, which ends with the test. nil: it is not installed.
func newChromium(t *testing.T) context.Context {
	t.Helper()
	path := chromium()
	if path == "" {
		return nil
	}
	flag := chromedp.Flag
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless,
		flag("disable-quic", true), flag("disable-background-networking", true), flag("disable-component-update", true), flag("disable-sync", true), flag("no-default-browser-check", true),
		flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(patience))
	t.Cleanup(cancel)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil {
			t.Log(err)
		}
		end()
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	return browser
}

// A window is one of the browser, with cookies of its own. What it should never do is noted, and fails the test at its end.
type window struct {
	t   *testing.T
	s   *stage
	ctx context.Context

	asked atomic.Int64 // requests that were seen

	mu    sync.Mutex
	wrong []string
}

// window opens one.
func (s *stage) window(t *testing.T, browser context.Context) *window {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	w := &window{t: t, s: s}
	ours, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	w.ctx = ctx
	w.do()
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			w.asked.Add(1)
			if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != ours.Host {
				w.blame("it asks another host: " + e.Request.URL)
			}
		case *page.EventJavascriptDialogOpening:
			w.blame("a dialog opens: " + e.Message)
		case *runtime.EventExceptionThrown:
			w.blame("the script fails: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceViolation {
				w.blame("the browser says: " + e.Entry.Text)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.asked.Load() == 0 {
			t.Error("no request was seen")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, what := range w.wrong {
			t.Error(what)
		}
	})
	return w
}

func (w *window) blame(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, what)
}

// do does something, which ends in time or fails the test. The first time, it opens the window, which would end with a bound on that.
func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx := w.ctx
	if len(steps) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.failed(err)
	}
}

// failed ends the test, and tells where it was.
func (w *window) failed(err error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	w.t.Fatalf("%v, at %s", err, text)
}

// open loads a page.
func (w *window) open(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.s.url+path), chromedp.WaitReady("main"))
}

// until waits until an expression is true, whatever is loaded meanwhile.
func (w *window) until(what, expression string) {
	w.t.Helper()
	w.within(patience, what, expression)
}

// within is until, with a bound of its own.
func (w *window) within(bound time.Duration, what, expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, bound)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if is {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			w.failed(fmt.Errorf("waited until %s: %w", what, cmp.Or(err, ctx.Err())))
		}
	}
}

// eval gives what an expression is.
func eval[T any](w *window, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.failed(fmt.Errorf("%s: %w", expression, err))
	}
	return v
}

// signIn signs in with a token, as a person does.
func (w *window) signIn(name string) {
	w.t.Helper()
	w.open("/")
	w.do(chromedp.SendKeys("#token", "token of "+name+"\r"))
	w.until(name+" is signed in", `document.querySelector(".who")?.innerText.includes("`+name+`")`)
}
