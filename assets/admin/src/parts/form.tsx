// Forms: values, one submit, errors on the fields they are about, focus on the first of them.
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { ApiError, newKey } from "../api";
import { t } from "../i18n";
import { ErrorBox } from "./page";

export interface FormState<V> {
  values: V;
  set: <K extends keyof V>(name: K, value: V[K]) => void;
  errors: Record<string, string>;
  failure: ApiError | null;
  busy: boolean;
  submit: (event?: Event) => void;
  reset: () => void;
  ref: { current: HTMLFormElement | null };
}

/** `send` gets the values and the idempotency key: the key stays while the values do, so that a second press repeats and never doubles. */
export function useForm<V extends object>(initial: V, send: (values: V, key: string) => Promise<void>): FormState<V> {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failure, setFailure] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const ref = useRef<HTMLFormElement>(null);
  const key = useRef(newKey());

  const focusFirst = () =>
    requestAnimationFrame(() =>
      (ref.current?.querySelector<HTMLElement>("[aria-invalid=true]") ?? ref.current?.querySelector<HTMLElement>("[role=alert]"))?.focus(),
    );
  const run = async () => {
    setBusy(true);
    setFailure(null);
    setErrors({});
    try {
      await send(values, key.current);
      key.current = newKey();
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      setErrors(fault.fields);
      // A sentence that no field of this form carries stands above it.
      const shown = Object.keys(fault.fields).some((name) => ref.current?.elements.namedItem(name));
      setFailure(shown ? null : fault);
      if (fault.status >= 400 && fault.status < 500) key.current = newKey();
      focusFirst();
    } finally {
      setBusy(false);
    }
  };
  return {
    values,
    errors,
    failure,
    busy,
    ref,
    set: (name, value) => {
      key.current = newKey();
      setValues((was) => ({ ...was, [name]: value }));
      setErrors(({ [name as string]: _gone, ...rest }) => rest);
    },
    submit: (event) => {
      event?.preventDefault();
      if (!busy) void run();
    },
    reset: () => {
      setValues(initial);
      setErrors({});
      setFailure(null);
    },
  };
}

export function Form<V>({ form, label, children }: { form: FormState<V>; label: string; children: ComponentChildren }) {
  return (
    <form
      ref={form.ref}
      class="form"
      aria-label={label}
      noValidate
      onSubmit={form.submit}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.submit(event);
      }}
    >
      {form.failure && <ErrorBox error={form.failure} />}
      {children}
    </form>
  );
}

interface FieldProps<V> {
  form: FormState<V>;
  /** Also the JSON pointer's last part. */
  name: keyof V & string;
  label: string;
  hint?: ComponentChildren;
  type?: "text" | "number" | "email" | "password";
  options?: [value: string, text: string][];
  rows?: number;
  autoComplete?: string;
  required?: boolean;
  placeholder?: string;
  /** Where a dialog begins. */
  first?: boolean;
}
export function Field<V>({
  form,
  name,
  label,
  hint,
  type = "text",
  options,
  rows,
  autoComplete,
  required,
  placeholder,
  first,
}: FieldProps<V>) {
  const id = useId();
  const error = form.errors[name];
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  const shared = {
    id,
    name,
    value: String(form.values[name] ?? ""),
    "aria-invalid": error ? ("true" as const) : undefined,
    "aria-describedby": described,
    "aria-required": required ? ("true" as const) : undefined,
  };
  const change = (event: { currentTarget: { value: string } }) => form.set(name, event.currentTarget.value as V[typeof name]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {options ? (
        <select {...shared} onChange={change}>
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      ) : rows ? (
        <textarea {...shared} rows={rows} onInput={change} />
      ) : (
        <input
          {...shared}
          // A whole number is typed as text: number inputs scroll, round and lose what they cannot read.
          type={(type === "number" ? "text" : type) as "text"}
          inputMode={type === "number" ? "numeric" : undefined}
          autoComplete={autoComplete ?? "off"}
          placeholder={placeholder}
          autoFocus={first}
          onInput={change}
        />
      )}
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function Check<V>({ form, name, label, hint }: { form: FormState<V>; name: keyof V & string; label: string; hint?: string }) {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        name={name}
        type="checkbox"
        checked={!!form.values[name]}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => form.set(name, event.currentTarget.checked as V[typeof name])}
      />
      <label for={id}>{label}</label>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function Submit<V>({ form, children }: { form: FormState<V>; children: ComponentChildren }) {
  return (
    <button type="submit" class="button primary" disabled={form.busy}>
      {form.busy ? t("form.busy") : children}
    </button>
  );
}
