export function RunsView() {
  return <section class="view" />;
}
