// The icons: one stroke, 20 units, coloured by the text around them.

const shapes = {
  home: "M3.5 9 10 3.5 16.5 9v7.5h-4.5v-4.5h-4v4.5H3.5z",
  orders: "M5 3.5h10v13l-2.5-1.5-2.5 1.5-2.5-1.5L5 16.5zM7.8 7.2h4.4M7.8 10.2h4.4",
  stock: "M3.5 6.5 10 3.2l6.5 3.3v7L10 16.8l-6.5-3.3zM3.8 6.7 10 9.8l6.2-3.1M10 9.8v6.8",
  products: "M3.5 3.5h6l7 7-6 6-7-7zM6.7 6.7h.01",
  channels: "M7.5 12.5 12.5 7.5M8.5 6l1.8-1.8a3.6 3.6 0 0 1 5.5 5.5L14 11.5M11.5 14l-1.8 1.8a3.6 3.6 0 0 1-5.5-5.5L6 8.5",
  feeds: "M4 12.5a3.5 3.5 0 0 1 1-6.8 5 5 0 0 1 9.6 1.2 3 3 0 0 1 1 5.6M10 16.5v-7M7.2 12 10 9.2l2.8 2.8",
  jobs: "M10 3.5a6.5 6.5 0 1 1-6.5 6.5M10 6.5V10l2.5 1.8M3.5 6.2 4 3.5M3.5 6.2l2.8.3",
  dead: "M10 3.2 17 15.8H3zM10 8v3.6M10 13.7h.01",
  audit: "M5 3.5h7l3 3v10H5zM7.5 10l1.7 1.7 3.3-3.4",
  sandbox: "M7.5 3.5v4.2L3.8 14.5a1.4 1.4 0 0 0 1.2 2h10a1.4 1.4 0 0 0 1.2-2L12.5 7.7V3.5M6.5 3.5h7M5.8 12h8.4",
  search: "M9 3.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M13 13l3.8 3.8",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  close: "M5 5l10 10M15 5 5 15",
  copy: "M7.5 7.5h9v9h-9zM12.5 7.5v-4h-9v9h4",
  check: "M4.5 10.5 8.5 14.5 15.5 6",
  flag: "M5.5 17V3.5h9l-2 3.2 2 3.3h-9",
  back: "M12 4.5 6.5 10l5.5 5.5",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M10 2.5v1.2M10 16.3v1.2M2.5 10h1.2M16.3 10h1.2M4.7 4.7l.9.9M14.4 14.4l.9.9M15.3 4.7l-.9.9M5.6 14.4l-.9.9",
  moon: "M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z",
  system: "M3.5 4.5h13v8.5h-13zM7.5 16.5h5M10 13v3.5",
  download: "M10 3.5v9M6.5 9.5 10 13l3.5-3.5M4 16.5h12",
  rows: "M3.5 5h13M3.5 8.3h13M3.5 11.7h13M3.5 15h13",
  out: "M8 3.5H4v13h4M8.5 10h8M13.5 7l3 3-3 3",
  clock: "M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M10 6.5V10l2.5 1.5",
} as const;
export type IconName = keyof typeof shapes;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  );
}
