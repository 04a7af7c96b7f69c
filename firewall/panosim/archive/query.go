package archive

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
)

// Of a query: entries when it does not say how many, and at most (PAN-OS XML API, "Retrieve Logs").
const (
	defaultLogs = 20
	mostLogs    = 5000
)

// Log answers type=log: a query is a job, whose answer is fetched with action=get.
func (a *Archive) Log(form url.Values) answer.Answer {
	if action := form.Get("action"); action != "" {
		return a.job(action, form.Get("job-id"))
	}
	entries, known := a.entries(form.Get("log-type"))
	if form.Get("log-type") == "" {
		return answer.BadRequest(`Missing value for parameter "log-type".`)
	}
	n, fault := number(form, "nlogs", defaultLogs)
	skip, alsoFault := number(form, "skip", 0)
	through, err := parseQuery(form.Get("query"))
	direction := form.Get("dir")
	switch {
	case !known:
		return answer.BadRequest(`Illegal value for parameter "log-type".`)
	case fault != nil:
		return *fault
	case alsoFault != nil:
		return *alsoFault
	case n > mostLogs:
		return answer.BadRequest(`Illegal value for parameter "nlogs".`)
	case err != nil:
		return answer.Failure(17, "query is invalid: "+err.Error())
	case direction == "" || direction == "backward":
		entries = slices.Clone(entries)
		slices.Reverse(entries)
	case direction != "forward":
		return answer.BadRequest(`Illegal value for parameter "dir".`)
	}
	var b strings.Builder
	count := 0
	for _, e := range entries {
		if !through(e) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if count == n {
			break
		}
		count++
		fields := e.fields()
		fmt.Fprintf(&b, `<entry logid="%s">`, e.value("seqno"))
		answer.WriteFields(&b, fields)
		b.WriteString("</entry>")
	}
	return a.enqueue("query job", fmt.Sprintf(`<log><logs count="%d" progress="100">%s</logs></log>`, count, b.String()))
}

// number reads a parameter that is a number.
func number(form url.Values, name string, otherwise int) (int, *answer.Answer) {
	text := form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		a := answer.BadRequest(fmt.Sprintf(`Illegal value for parameter %q.`, name))
		return 0, &a
	}
	return n, nil
}

// enqueue keeps what a job found, and gives the answer that names it (recorded).
func (a *Archive) enqueue(what, found string) answer.Answer {
	a.last++
	clock := a.o.Now().Format(time.TimeOnly)
	a.jobs[a.last] = fmt.Sprintf("<job><tenq>%[1]s</tenq><tdeq>%[1]s</tdeq><tlast>%[1]s</tlast><status>FIN</status><id>%d</id></job>%s", clock, a.last, found)
	delete(a.jobs, a.last-maxJobs)
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>%s enqueued with jobid %d</line></msg><job>%[2]d</job></result></response>`, what, a.last))
}

// job answers action=get and action=finish.
func (a *Archive) job(action, text string) answer.Answer {
	id, err := strconv.Atoi(text)
	switch {
	case action != "get" && action != "finish":
		return answer.BadRequest(`Illegal value for parameter "action".`)
	case text == "":
		return answer.BadRequest(`Missing value for parameter "job-id".`)
	case err != nil || a.jobs[id] == "":
		return answer.Failure(0, "No such query job "+text)
	}
	found := a.jobs[id]
	if action == "finish" {
		delete(a.jobs, id)
		return answer.Success("<msg>Query job " + text + " finished</msg>")
	}
	return answer.Success("<result>" + found + "</result>")
}
