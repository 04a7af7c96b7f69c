package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// Show answers "show jobs all", "... pending", "... processed" and "... id N". The newest comes first.
func (l *List) Show(r answer.Request) answer.Answer {
	l.Due()
	if len(r.At.Children) != 1 {
		return answer.Unexpected(r.Command)
	}
	var wanted func(*job) bool
	switch kind := r.At.Children[0]; kind.Name {
	case "all":
		wanted = func(*job) bool { return true }
	case "pending":
		wanted = func(j *job) bool { return j.ended.IsZero() }
	case "processed":
		wanted = func(j *job) bool { return !j.ended.IsZero() }
	case "id":
		return l.showOne(kind.Text)
	default:
		return answer.Unexpected(r.Command)
	}
	var b strings.Builder
	for i := len(l.list) - 1; i >= 0; i-- {
		if j := l.list[i]; wanted(j) {
			l.write(&b, j)
		}
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// showOne answers "show jobs id". A job that a restart lost has no number any more.
func (l *List) showOne(text string) answer.Answer {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return answer.Failure(17, "show -> jobs -> id '"+text+"' is not a valid integer")
	}
	for _, j := range l.list {
		if l.shown(j) == int(id) && !j.lost {
			var b strings.Builder
			l.write(&b, j)
			return answer.Success("<result>" + b.String() + "</result>")
		}
	}
	if l.o.Dialect.UnknownJob == dialect.UnknownJobQuery {
		return answer.Failure(0, fmt.Sprintf("No such query job %d", id))
	}
	return answer.Failure(7, fmt.Sprintf("job %d not found", id))
}

// write appends a job with the elements and the order of recorded answers.
func (l *List) write(b *strings.Builder, j *job) {
	if j.lost {
		b.WriteString("<job><type>Failed-Job</type>")
		l.writeLines(b, "details", j.details)
		b.WriteString("</job>")
		return
	}
	status, result := j.state()
	dequeued, finished, queued, stoppable := "", "Still Active", "NO", "yes"
	if j.started.IsZero() {
		queued = "YES"
	} else {
		dequeued = j.started.Format(time.TimeOnly)
	}
	if !j.ended.IsZero() {
		finished, stoppable = l.finished(j.ended), "no"
	}
	fmt.Fprintf(b, `<job><tenq>%s</tenq><tdeq>%s</tdeq><id>%d</id><user>%s</user><type>%s</type><status>%s</status>`+
		`<queued>%s</queued><stoppable>%s</stoppable><result>%s</result><tfin>%s</tfin><description>%s</description>`+
		`<positionInQ>%d</positionInQ><progress>%d</progress>`,
		j.queued.Format(dialect.LocalTime), dequeued, l.shown(j), answer.Escape(j.user), j.kind, status, queued, stoppable, result, finished,
		answer.Escape(j.description), l.position(j), l.progress(j))
	l.writeLines(b, "details", j.details)
	l.writeLines(b, "warnings", j.warnings)
	b.WriteString("</job>")
}

// shown is the number of a job as it is shown.
func (l *List) shown(j *job) int {
	if l.o.Dialect.JobNumbers == dialect.JobNumbersCutInList {
		return j.id & 0xffff
	}
	return j.id
}

// finished writes when a job ended: samples of PAN-OS 10 have the time alone, those of 11 the date, too.
func (l *List) finished(at time.Time) string {
	if l.o.Version.AtLeast(11, 0) {
		return at.Format(dialect.LocalTime)
	}
	return at.Format(time.TimeOnly)
}

// writeLines appends the lines of a job; an empty list is an empty element.
func (l *List) writeLines(b *strings.Builder, name string, lines []string) {
	b.WriteString("<" + name + ">")
	for _, line := range lines {
		line = answer.Escape(line)
		if name == "details" && l.o.Dialect.Details == dialect.DetailsNested {
			line = "<newjob><newmsg>" + line + "</newmsg></newjob>"
		}
		b.WriteString("<line>" + line + "</line>")
	}
	b.WriteString("</" + name + ">")
}

// position is the place in the queue: 0 of a job that runs or has ended.
func (l *List) position(j *job) int {
	if !j.started.IsZero() || !j.ended.IsZero() {
		return 0
	}
	n := 0
	for _, other := range l.list {
		if other.finish != nil && other.ended.IsZero() && other.id < j.id {
			n++
		}
	}
	return n
}

// progress is a percentage; it reaches 100 when the job ends.
func (l *List) progress(j *job) int {
	switch {
	case !j.ended.IsZero():
		return 100
	case j.started.IsZero() || j.takes <= 0:
		return 0
	}
	return int(min(99, 100*l.o.Now().Sub(j.started)/j.takes))
}
