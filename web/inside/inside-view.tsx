export function InsideView() {
  return <section class="view" />;
}
