// Package format prints lists and values the way Docker's --format asks for: as
// a table, as JSON, or through a Go template with Docker's functions.
package format

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"
)

// functions are those that Docker's templates have besides Go's own.
var functions = template.FuncMap{
	"json":     toJSON,
	"split":    strings.Split,
	"join":     strings.Join,
	"lower":    strings.ToLower,
	"upper":    strings.ToUpper,
	"title":    title,
	"pad":      pad,
	"truncate": truncate,
}

var escapes = strings.NewReplacer(`\t`, "\t", `\n`, "\n")

// titleFunctions leave the titles of a table as they are.
var titleFunctions = template.FuncMap{
	"json":     func(s string) string { return s },
	"lower":    func(s string) string { return s },
	"upper":    func(s string) string { return s },
	"title":    func(s string) string { return s },
	"truncate": func(s string, _ int) string { return s },
}

// Parse compiles a template given on the command line. Like Docker it takes the
// two characters \t and \n for what they mean; those within {{ }} are Go's.
func Parse(text string) (*template.Template, error) {
	t, err := template.New("").Funcs(functions).Parse(unescape(text))
	if err != nil {
		return nil, &Error{"template: " + strings.TrimPrefix(err.Error(), "template: :")}
	}
	return t, nil
}

func unescape(text string) string {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "{{")
		escapes.WriteString(&b, plain)
		if !found {
			return b.String()
		}
		action, after, closed := strings.Cut(rest, "}}")
		b.WriteString("{{" + action)
		if closed {
			b.WriteString("}}")
		}
		text = after
	}
}

// List prints rows as the format of a list command says: empty or "table" for
// a table of the columns in the template columns, "table TEMPLATE" for other
// columns, "json" for an object per line, and else a template per row. header is
// a row that has the titles of the columns in place of values.
func List[Row any](w io.Writer, format, columns string, header Row, rows []Row) error {
	rest, isTable := strings.CutPrefix(strings.TrimSpace(format), "table")
	switch {
	case format == "json":
		return each(w, `{{json .}}`, rows)
	case format == "" || isTable && strings.TrimSpace(rest) == "":
		return table(w, columns, header, rows)
	case isTable:
		return table(w, strings.TrimSpace(rest), header, rows)
	}
	return each(w, format, rows)
}

func table[Row any](w io.Writer, columns string, header Row, rows []Row) error {
	t, err := Parse(columns)
	if err != nil {
		return err
	}
	lines := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	if err := execute(lines, t.Funcs(titleFunctions), []Row{header}); err != nil {
		return err
	}
	if err := execute(lines, t.Funcs(functions), rows); err != nil {
		return err
	}
	return lines.Flush()
}

// each prints the rows only if the template fits all of them.
func each[Row any](w io.Writer, text string, rows []Row) error {
	t, err := Parse(text)
	if err != nil {
		return err
	}
	return execute(w, t, rows)
}

func execute[Row any](w io.Writer, t *template.Template, rows []Row) error {
	var out bytes.Buffer
	for _, r := range rows {
		if err := t.Execute(&out, r); err != nil {
			return Explain(err, r)
		}
		out.WriteByte('\n')
	}
	_, err := w.Write(out.Bytes())
	return err
}

// Values prints values as an inspect command does: as one JSON array, or each
// through the template in format on a line of its own. As with Docker, a
// template may use the names of Go's fields or, if it does not fit these, the
// names in the JSON.
func Values[V any](w io.Writer, format string, values []V) error {
	switch format {
	case "":
		if values == nil {
			values = []V{}
		}
		return writeJSON(w, values)
	case "json":
		return each(w, `{{json .}}`, values)
	}
	t, err := Parse(format)
	if err != nil {
		return err
	}
	err = execute(w, t, values)
	if err == nil {
		return nil
	}
	plain, bad := asJSON(values)
	if bad != nil || execute(w, t.Option("missingkey=error"), plain) != nil {
		return err
	}
	return nil
}

// asJSON returns values as a reader of their JSON sees them.
func asJSON[V any](values []V) (plain []any, err error) {
	data, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	// A number stays as it is written; as a float it would be 1e+06.
	decoder.UseNumber()
	err = decoder.Decode(&plain)
	for i := range plain {
		plain[i] = numbers(plain[i])
	}
	return plain, err
}

// numbers makes whole numbers comparable: as they are written they are texts,
// of which "10" is less than "9".
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(v)
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// title makes the first letter of s a capital one.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// pad puts blanks before and after s.
func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

// truncate cuts s to n characters.
func truncate(s string, n int) string {
	if runes := []rune(s); n >= 0 && len(runes) > n {
		return string(runes[:n])
	}
	return s
}
