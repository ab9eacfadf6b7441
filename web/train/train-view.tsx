export function TrainView() {
  return <section class="view" />;
}
